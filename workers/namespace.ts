import { setTimeout as sleep } from "node:timers/promises"
import { type Client, isGrpcServiceError } from "@temporalio/client"
import { msToTs } from "@temporalio/common/lib/time"
import { temporal } from "@temporalio/proto"
import { SEARCH_ATTRIBUTES } from "../domain/ids"

const ALREADY_EXISTS = 6
const NOT_FOUND = 5
const RETENTION = "7 days"
const { INDEXED_VALUE_TYPE_KEYWORD } = temporal.api.enums.v1.IndexedValueType

/** Makes the namespace and its search attributes if they are not there; what is there stays as it is. */
export async function ensureNamespace(client: Client, namespace: string): Promise<void> {
  const { workflowService, operatorService } = client.connection
  try {
    await workflowService.describeNamespace({ namespace })
  } catch (error) {
    if (!isGrpcServiceError(error) || error.code !== NOT_FOUND) throw error
    await workflowService.registerNamespace({
      namespace,
      workflowExecutionRetentionPeriod: msToTs(RETENTION),
    })
  }
  const { customAttributes } = await onceKnown(() => operatorService.listSearchAttributes({ namespace }))
  const missing = Object.values(SEARCH_ATTRIBUTES).filter((name) => !(name in (customAttributes ?? {})))
  if (missing.length === 0) return
  try {
    await operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(missing.map((name) => [name, INDEXED_VALUE_TYPE_KEYWORD])),
    })
  } catch (error) {
    // Another process added them at the same moment.
    if (!isGrpcServiceError(error) || error.code !== ALREADY_EXISTS) throw error
  }
}

const KNOWN_WITHIN_MS = 15_000
const AGAIN_MS = 200

/** A namespace that was just registered reaches the server's caches a little later. */
async function onceKnown<T>(call: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + KNOWN_WITHIN_MS
  for (;;) {
    try {
      return await call()
    } catch (error) {
      if (!isGrpcServiceError(error) || error.code !== NOT_FOUND || Date.now() > deadline) throw error
      await sleep(AGAIN_MS)
    }
  }
}
