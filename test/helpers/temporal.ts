import { randomBytes } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import { Connection } from "@temporalio/client"
import { msToTs } from "@temporalio/common/lib/time"
import { temporal } from "@temporalio/proto"
import { SEARCH_ATTRIBUTES } from "../../domain/ids"
import { hasCode } from "../../local/errors"
import { testVariable } from "./stack"

const GRPC_NOT_FOUND = 5

/**
 * Registers a Temporal namespace with the project's search attributes, for one test file; usable at once. Made on
 * demand (20 to 80 ms) and not ahead, because nobody knows how many files will ask.
 */
export async function testNamespace(): Promise<string> {
  const namespace = `test-${randomBytes(6).toString("hex")}`
  const connection = await Connection.connect({ address: testVariable("TEST_TEMPORAL_ADDRESS") })
  try {
    const workflowExecutionRetentionPeriod = msToTs("1 day")
    await connection.workflowService.registerNamespace({ namespace, workflowExecutionRetentionPeriod })
    await addSearchAttributes(connection, namespace)
    return namespace
  } finally {
    await connection.close()
  }
}

/** A part of the server that has just not heard of the new namespace answers "not found" for a moment. */
async function addSearchAttributes(connection: Connection, namespace: string): Promise<void> {
  const keyword = temporal.api.enums.v1.IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
  const searchAttributes = Object.fromEntries(Object.values(SEARCH_ATTRIBUTES).map((name) => [name, keyword]))
  for (let attempt = 0; ; attempt += 1) {
    try {
      await connection.operatorService.addSearchAttributes({ namespace, searchAttributes })
      return
    } catch (error) {
      if (!hasCode(error, GRPC_NOT_FOUND) || attempt >= 200) throw error
      await sleep(25)
    }
  }
}
