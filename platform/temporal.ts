import { Client, Connection } from "@temporalio/client"
import { loadClientConnectConfig } from "@temporalio/envconfig"
import { createPayloadCodec } from "./codec"
import type { Config } from "./config"

/** The link to Temporal of a process that starts, signals and asks workflows. */
export type TemporalLink = {
  /** Connects at the first call; a call while Temporal is away fails with gRPC UNAVAILABLE or DEADLINE_EXCEEDED. */
  client(): Promise<Client>
  /** Asks the server, for half a second at the most. */
  isUp(): Promise<boolean>
  close(): Promise<void>
}

type TemporalConfig = Pick<Config, "TEMPORAL_ADDRESS" | "TEMPORAL_NAMESPACE" | "PAYLOAD_KEYS">

/** gRPC would wait up to two minutes between two attempts to reconnect; flows should start a second after it is back. */
const RECONNECT = { "grpc.initial_reconnect_backoff_ms": 100, "grpc.max_reconnect_backoff_ms": 1_000 }
const PROBE_MS = 500

/** What client and worker connect with: TLS, key and headers come from the SDK's own variables (`@temporalio/envconfig`). */
export function connectionOptions(config: TemporalConfig) {
  return { ...loadClientConnectConfig().connectionOptions, address: config.TEMPORAL_ADDRESS }
}

export const dataConverter = (config: TemporalConfig) => ({
  payloadCodecs: [createPayloadCodec(config.PAYLOAD_KEYS)],
})

export function createTemporal(config: TemporalConfig): TemporalLink {
  const { proxy: _onlyForTheWorker, ...options } = connectionOptions(config)
  const connection = Connection.lazy({ ...options, channelArgs: RECONNECT })
  const client = new Client({
    connection,
    namespace: config.TEMPORAL_NAMESPACE,
    dataConverter: dataConverter(config),
  })
  return {
    client: async () => client,
    isUp: () =>
      connection
        .withDeadline(Date.now() + PROBE_MS, () => connection.workflowService.getSystemInfo({}))
        .then(
          () => true,
          () => false,
        ),
    close: () => connection.close(),
  }
}
