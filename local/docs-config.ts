import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { describeSettings, PROVIDER_NAMES } from "../platform/config"
import { projectRoot } from "./paths"
import { LOCAL_SETTINGS, type Setting } from "./settings"

/**
 * `npm run docs:config`: writes `.env.example` and `docs/configuration.md` from the one schema of the settings;
 * `--check` writes nothing and fails when either is stale.
 */

type Group = { readonly title: string; readonly settings: readonly Setting[] }

const INTRODUCTION =
  "Made by `npm run docs:config` from the schema in `platform/config.ts`. An empty variable counts as not set."

const PROVIDER_SETTINGS: readonly Setting[] = [
  {
    name: "BASEURL",
    description: "Base URL; required. `npm start` fills in the simulator.",
    fallback: undefined,
  },
  { name: "APIKEY", description: "Key sent with each call.", fallback: undefined },
  { name: "TIMEOUTMS", description: "Time-out of one call in milliseconds.", fallback: "3000" },
]

const groups = (): Group[] => [
  { title: "Processes (API, worker, migrate, schedules)", settings: describeSettings() },
  {
    title: "Providers",
    settings: PROVIDER_NAMES.flatMap((provider) =>
      PROVIDER_SETTINGS.map((setting) => ({
        ...setting,
        name: `INTEGRATIONS__${provider.toUpperCase()}__${setting.name}`,
      })),
    ),
  },
  { title: "Embedded stack (npm start, npm test)", settings: LOCAL_SETTINGS },
]

function envExample(): string {
  const parts = groups().map(({ title, settings }) => {
    const lines = settings.map(
      ({ name, description, fallback }) => `# ${description}\n#${name}=${fallback ?? ""}`,
    )
    return [`## ${title}`, ...lines].join("\n")
  })
  return `# ${INTRODUCTION}\n\n${parts.join("\n\n")}\n`
}

function configurationPage(): string {
  const parts = groups().map(({ title, settings }) => {
    const rows = settings.map(({ name, description, fallback }) => {
      const value = fallback ? `\`${fallback}\`` : ""
      return `| \`${name}\` | ${value} | ${description.replaceAll("|", "\\|")} |`
    })
    return [`## ${title}`, "", "| variable | default | meaning |", "|---|---|---|", ...rows].join("\n")
  })
  return `# Configuration\n\n${INTRODUCTION}\n\n${parts.join("\n\n")}\n`
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return undefined
  }
}

function main(): void {
  const files = [
    { path: ".env.example", text: envExample() },
    { path: "docs/configuration.md", text: configurationPage() },
  ]
  const stale = files.filter(({ path, text }) => read(join(projectRoot(), path)) !== text)
  if (process.argv.includes("--check")) {
    for (const { path } of stale) console.error(`${path} is stale: run \`npm run docs:config\``)
    process.exitCode = stale.length === 0 ? 0 : 1
    return
  }
  for (const { path, text } of stale) {
    mkdirSync(dirname(join(projectRoot(), path)), { recursive: true })
    writeFileSync(join(projectRoot(), path), text)
    console.error(`wrote ${path}`)
  }
}

main()
