import { createRequire } from "node:module"
import * as proto from "@temporalio/proto"
import { patchProtobufRoot } from "@temporalio/proto/lib/patch-protobuf-root"

/** Workflow histories as JSON, in the form that `temporal workflow show --output json` and the Web UI write. */

export type History = proto.temporal.api.history.v1.IHistory

/** The static types leave out that the root can look types up by name. */
type Root = { lookupType(name: string): unknown }

type ProtoJson = {
  fromJson(type: unknown, json: unknown, options: { ignoreUnknownFields: boolean }): History
  toJson(type: unknown, message: unknown): unknown
}

/**
 * The converter has to come from the copy of protobufjs that the SDK's message types were made with. The SDK's own
 * functions for this take another copy when npm installs several, and then refuse every history.
 */
function converter(): { readonly json: ProtoJson; readonly historyType: unknown } {
  const besideProto = createRequire(require.resolve("@temporalio/proto"))
  const json: ProtoJson = besideProto("protobufjs/ext/protojson")
  const root = patchProtobufRoot(proto) as unknown as Root
  return { json, historyType: root.lookupType("temporal.api.history.v1.History") }
}

/** @throws Error when it is no history. Fields that this SDK does not know are left out. */
export function historyFromJson(value: unknown): History {
  if (typeof value !== "object" || value === null || !("events" in value))
    throw new TypeError("there are no events")
  const { json, historyType } = converter()
  return json.fromJson(historyType, value, { ignoreUnknownFields: true })
}

export function historyToJson(history: History): unknown {
  const { json, historyType } = converter()
  return json.toJson(historyType, proto.temporal.api.history.v1.History.fromObject(history))
}
