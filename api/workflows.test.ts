import { randomUUID } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import type { Client } from "@temporalio/client"
import { bookingWorkflowId, outboxRelayWorkflowId, TASK_QUEUES, WORKFLOW_TYPES } from "../domain/ids"
import { startBookingFlow } from "../platform/flows"
import { createTemporal } from "../platform/temporal"
import { apiUnderTest } from "../test/helpers/api"
import { freePort } from "../test/helpers/stack"
import { testNamespace } from "../test/helpers/temporal"
import { createApp } from "./app"
import { workflowsApi } from "./workflows"

let api: Awaited<ReturnType<typeof apiUnderTest>>
let client: Client
let operator: { Authorization: string }

beforeAll(async () => {
  const namespace = await testNamespace()
  api = await apiUnderTest([{ base: "/api/v1", api: workflowsApi }], {
    settings: { TEMPORAL_NAMESPACE: namespace },
  })
  operator = await api.bearer("olga", ["operator"])
  client = await api.deps.temporal.client()
  for (const code of ["TRIP-0001", "TRIP-0002", "TRIP-0003"]) {
    await startBookingFlow(client, api.deps.config, { code, ownerId: "alice", requestId: randomUUID() })
  }
  await client.workflow.start(WORKFLOW_TYPES.outboxRelay, {
    workflowId: outboxRelayWorkflowId(0),
    taskQueue: TASK_QUEUES.outbox,
    args: [{ shard: 0 }],
  })
  await client.workflow.getHandle(bookingWorkflowId("TRIP-0003")).terminate()
  await waitForVisibility()
})
afterAll(() => api.close())

type Page = { items: { workflowId: string }[]; nextCursor: string | null; code?: string }

async function get(path: string, headers = operator) {
  const response = await api.app.request(`/api/v1${path}`, { headers })
  return { status: response.status, headers: response.headers, body: (await response.json()) as Page }
}

/** Visibility follows the workflows at a little distance. */
async function waitForVisibility(): Promise<void> {
  for (let i = 0; i < 100; i += 1) {
    const { body } = await get("/workflows?status=TERMINATED")
    if (body.items.length === 1 && (await get("/workflows")).body.items.length === 4) return
    await sleep(50)
  }
  throw new Error("not visible")
}

const idsOf = (body: Page) => body.items.map(({ workflowId }) => workflowId).sort()

describe("200", () => {
  test("the list shows type, status, stage and times of each workflow", async () => {
    const { body } = await get("/workflows?status=TERMINATED")
    expect(body).toEqual({
      items: [
        {
          workflowId: "booking/TRIP-0003",
          runId: expect.any(String),
          type: "bookingFlow",
          status: "TERMINATED",
          stage: "CREATED",
          startedAt: expect.stringMatching(/^\d{4}-.*Z$/),
          closedAt: expect.stringMatching(/Z$/),
        },
      ],
      nextCursor: null,
    })
  })

  test.each([
    ["type=outboxRelay", ["outbox/0"]],
    ["type=bookingFlow&status=RUNNING", ["booking/TRIP-0001", "booking/TRIP-0002"]],
    ["stage=CREATED", ["booking/TRIP-0001", "booking/TRIP-0002", "booking/TRIP-0003"]],
    ["stage=SETTLED", []],
    ["from=2100-01-01T00:00:00Z", []],
  ])("the filter %s leaves the workflows that fit", async (query, expected) => {
    expect(idsOf((await get(`/workflows?${query}`)).body)).toEqual(expected)
  })

  test("pages together show every workflow once", async () => {
    const seen: string[] = []
    let query = "limit=1"
    for (let i = 0; i < 6; i += 1) {
      const { body } = await get(`/workflows?${query}`)
      seen.push(...idsOf(body))
      if (body.nextCursor === null) break
      query = `limit=1&cursor=${body.nextCursor}`
    }
    expect(seen.sort()).toEqual(["booking/TRIP-0001", "booking/TRIP-0002", "booking/TRIP-0003", "outbox/0"])
  })

  test("one workflow is found by its URL-encoded id, its progress is null while no worker answers", async () => {
    const startedAt = Date.now()
    const { status, body } = await get("/workflows/booking%2FTRIP-0001")
    expect(status).toBe(200)
    expect(body).toMatchObject({
      workflow: {
        workflowId: "booking/TRIP-0001",
        type: "bookingFlow",
        status: "RUNNING",
        pendingActivities: [],
      },
      progress: null,
    })
    expect(Date.now() - startedAt).toBeLessThan(3_000)
  })
})

describe("4xx", () => {
  test.each([
    "type=bookingFlow' OR 'a'='a",
    "type=nothing",
    "status=running",
    "stage=NOWHERE",
    "limit=500",
    "cursor=abc",
  ])("the filter %s is refused with 400", async (query) => {
    const { status, body } = await get(`/workflows?${encodeURI(query)}`)
    expect([status, body.code]).toEqual([400, "VALIDATION_FAILED"])
  })

  test("an unknown workflow answers 404", async () => {
    expect((await get("/workflows/booking%2FNO-SUCH-CODE")).status).toBe(404)
  })

  test("a user is refused with 403", async () => {
    expect((await get("/workflows", await api.bearer("alice"))).status).toBe(403)
  })
})

describe("503", () => {
  test("both answer TEMPORAL_UNAVAILABLE with Retry-After within seconds while Temporal is away", async () => {
    const nowhere = createTemporal({ ...api.deps.config, TEMPORAL_ADDRESS: `127.0.0.1:${await freePort()}` })
    const app = createApp({ ...api.deps, temporal: nowhere }, [{ base: "/api/v1", api: workflowsApi }])
    const startedAt = Date.now()
    for (const path of ["/workflows", "/workflows/outbox%2F0"]) {
      const response = await app.request(`/api/v1${path}`, { headers: operator })
      expect(response.status).toBe(503)
      expect(await response.json()).toMatchObject({ code: "TEMPORAL_UNAVAILABLE" })
      expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0)
    }
    expect(Date.now() - startedAt).toBeLessThan(6_000)
    // The SDK tries a refused call again by itself, until its deadline; a closed channel would make that throw.
    await sleep(2_000)
    await nowhere.close()
  })
})
