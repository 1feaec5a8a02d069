import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { replayCommand } from "../../local/replay"
import { type FlowWorld, flowWorld } from "../helpers/worker"

/** `npm run tctl` and `npm run replay` against a real Temporal. */

let world: FlowWorld
let dir: string
let env: Record<string, string>

beforeAll(async () => {
  world = await flowWorld()
  dir = mkdtempSync(join(tmpdir(), "entrip-commands-"))
  env = {
    TEMPORAL_ADDRESS: world.config.TEMPORAL_ADDRESS,
    TEMPORAL_NAMESPACE: world.config.TEMPORAL_NAMESPACE,
    PAYLOAD_KEYS: world.config.PAYLOAD_KEYS.map(
      ({ id, secret }) => `${id}:${secret.toString("base64")}`,
    ).join(","),
  }
}, 60_000)

afterAll(async () => {
  rmSync(dir, { recursive: true, force: true })
  await world.close()
}, 30_000)

async function settled(): Promise<string> {
  const code = await world.create()
  await world.closes(code)
  return `booking/${code}`
}

/** The built command as a process. */
async function tctl(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [join(__dirname, "../../dist/local/tctl.js"), ...args], {
    env: { ...env, PATH: process.env["PATH"], HOME: process.env["HOME"], PORT: "9", LOCAL_DIR: dir },
  })
  const [out, err] = [child.stdout, child.stderr].map((stream) => {
    const parts: string[] = []
    stream.on("data", (part: Buffer) => parts.push(part.toString()))
    return parts
  })
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve))
  return { code, out: (out ?? []).join(""), err: (err ?? []).join("") }
}

describe("replay", () => {
  it("says that the history of a settled booking is deterministic", async () => {
    const id = await settled()
    expect(await replayCommand(["--workflow-id", id], env)).toMatch(
      /^booking\/T-\w+: replayed \d+ events: deterministic$/,
    )
  }, 60_000)

  it("names what is missing for an unknown workflow, and for an unknown run", async () => {
    await expect(replayCommand(["--workflow-id", "booking/NONE-1"], env)).rejects.toThrow(
      /There is no workflow booking\/NONE-1 in namespace test-/,
    )
    const run = "01890000-0000-7000-8000-000000000000"
    await expect(replayCommand(["-w", await settled(), "-r", run], env)).rejects.toThrow(`with run ${run}`)
  })

  it("reads a file without a key, and shows the difference when the code decides otherwise", async () => {
    const saved = join(__dirname, "../histories/bookingFlow/settled-by-operator.json")
    expect(await replayCommand(["--history-file", saved], {})).toMatch(/deterministic$/)
    const altered = join(dir, "altered.json")
    writeFileSync(altered, readFileSync(saved, "utf8").replaceAll("TIMER_STARTED", "MARKER_RECORDED"))
    await expect(replayCommand(["--history-file", altered], {})).rejects.toThrow(
      /does not replay these \d+ events/,
    )
    writeFileSync(altered, "{}")
    await expect(replayCommand(["--history-file", altered], {})).rejects.toThrow(/holds no workflow history/)
  }, 60_000)

  it("asks for the settings that it needs, and for a workflow", async () => {
    await expect(replayCommand(["--workflow-id", "booking/X"], {})).rejects.toThrow(
      /TEMPORAL_ADDRESS is required/,
    )
    await expect(replayCommand([], env)).rejects.toThrow(/Usage: npm run replay/)
  })
})

describe("tctl", () => {
  it("shows the new command, runs it where Temporal is, and leaves stdout to its output", async () => {
    const id = await settled()
    const { code, out, err } = await tctl("wf", "list", "-q", `WorkflowId = "${id}"`, "-pjson")
    expect([code, err]).toEqual([
      0,
      expect.stringContaining(`$ temporal workflow list --query 'WorkflowId = "${id}"'`),
    ])
    expect(err).toContain(`--namespace ${env["TEMPORAL_NAMESPACE"]}`)
    expect(Array.isArray(JSON.parse(out))).toBe(true)
  })

  it("passes the exit code of the new command on", async () => {
    const { code, err } = await tctl("wf", "describe", "-w", "booking/NONE-1")
    expect([code, err]).toEqual([1, expect.stringContaining("booking/NONE-1")])
  })

  it("ends with 2 and says what is known for a command that cannot be translated", async () => {
    expect(await tctl("wf", "explode")).toMatchObject({
      code: 2,
      out: "",
      err: expect.stringContaining("reset-batch"),
    })
  })
})
