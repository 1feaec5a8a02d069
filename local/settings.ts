import { DEFAULT_PORTS } from "./ports"

/** One variable of the environment; `fallback` is its default as text. */
export type Setting = {
  readonly name: string
  readonly description: string
  readonly fallback: string | undefined
}

/** Variables that only the embedded stack reads, for `.env.example` and the docs. */
export const LOCAL_SETTINGS: readonly Setting[] = [
  { name: "LOCAL_DIR", description: "Folder of everything the embedded stack writes.", fallback: ".local" },
  {
    name: "ENTRIP_CACHE_DIR",
    description: "Folder of fetched server binaries; default entrip in the user's cache folder.",
    fallback: undefined,
  },
  {
    name: "TEMPORAL_CLI_PATH",
    description: "Temporal CLI to start the dev server with; default the one on PATH.",
    fallback: undefined,
  },
  {
    name: "TEMPORAL_PORT",
    description: "Port of the embedded Temporal.",
    fallback: String(DEFAULT_PORTS.TEMPORAL_PORT),
  },
  {
    name: "TEMPORAL_UI_PORT",
    description: "Port of the embedded Temporal Web UI.",
    fallback: String(DEFAULT_PORTS.TEMPORAL_UI_PORT),
  },
  {
    name: "POSTGRES_PORT",
    description: "Port of the embedded PostgreSQL.",
    fallback: String(DEFAULT_PORTS.POSTGRES_PORT),
  },
  {
    name: "REDIS_PORT",
    description: "Port of the embedded Redis.",
    fallback: String(DEFAULT_PORTS.REDIS_PORT),
  },
  {
    name: "SIMULATORS_PORT",
    description: "Port of the provider simulators.",
    fallback: String(DEFAULT_PORTS.SIMULATORS_PORT),
  },
  {
    name: "SIMULATORS_DIR",
    description: "Folder of the simulators' ledgers; default simulators in LOCAL_DIR.",
    fallback: undefined,
  },
]
