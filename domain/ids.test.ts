import * as ids from "./ids"

const valuesOf = (table: Readonly<Record<string, string>>): string[] => Object.values(table)

describe("the names between processes", () => {
  test.each([
    ["workflow types", ids.WORKFLOW_TYPES],
    ["task queues", ids.TASK_QUEUES],
    ["queries", ids.QUERIES],
    ["signals", ids.SIGNALS],
    ["updates", ids.UPDATES],
    ["search attributes", ids.SEARCH_ATTRIBUTES],
  ])("of the %s are all different", (_title, table) => {
    expect(new Set(valuesOf(table)).size).toBe(valuesOf(table).length)
  })

  test("are those of the contract", () => {
    expect(ids.bookingWorkflowId("TRIP-1")).toBe("booking/TRIP-1")
    expect(ids.bookingAggregate("TRIP-1")).toBe("booking:TRIP-1")
    expect(ids.outboxRelayWorkflowId(3)).toBe("outbox/3")
    expect(valuesOf(ids.TASK_QUEUES)).toEqual(["booking", "outbox", "providers", "aed", "timesale", "ops"])
    expect(valuesOf(ids.SEARCH_ATTRIBUTES)).toEqual(["BookingCode", "BookingStage", "CustomerId"])
    expect(ids.QUERIES.progress).toBe("progress")
  })

  test("tell deliveries apart by sink, endpoint and aggregate", () => {
    const made = [
      ids.deliveryWorkflowId("flow", "", "booking:A"),
      ids.deliveryWorkflowId("message", "", "booking:A"),
      ids.deliveryWorkflowId("webhook", "w1", "booking:A"),
      ids.deliveryWorkflowId("webhook", "w2", "booking:A"),
      ids.deliveryWorkflowId("flow", "", "booking:B"),
    ]
    expect(new Set(made).size).toBe(made.length)
    expect(made[0]).toBe("delivery/flow/booking:A")
    expect(made[2]).toBe("delivery/webhook:w1/booking:A")
  })
})
