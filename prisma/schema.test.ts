import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { PrismaPg } from "@prisma/adapter-pg"
import { bindMigrationAwareSqlAdapterFactory } from "@prisma/driver-adapter-utils"
import { Client } from "pg"
import { createTestDatabase, type TestDatabase } from "../test/helpers/database"
import { migrate } from "./migrate"

/**
 * `schema.prisma` and the migrations say the same, in both directions. Prisma's own engine turns the schema into SQL;
 * that SQL goes into one database and the migrations into another, and their catalogs are compared. What Prisma cannot
 * express (checks, partial indexes, triggers) is the migrations' alone and left out.
 */

const SCHEMA = "schema.prisma"
const PACKAGE = join(__dirname, "../node_modules/@prisma/schema-engine-wasm")

type Engine = {
  diff(input: Readonly<Record<string, unknown>>): Promise<{ stdout?: string | null }>
}
type EngineModule = {
  __wbg_set_wasm(exports: unknown): void
  SchemaEngine: {
    new: (options: { datamodels: [string, string][] }, log: () => void, adapter: unknown) => Promise<Engine>
  }
}

/** The types of Node leave out what it has of the web. */
const { WebAssembly: wasm } = globalThis as unknown as {
  WebAssembly: {
    instantiate(bytes: Uint8Array, imports: unknown): Promise<{ instance: { exports: unknown } }>
  }
}

let databases: TestDatabase[]
let engineModule: EngineModule
let schemaText: string
beforeAll(async () => {
  schemaText = await readFile(join(__dirname, SCHEMA), "utf8")
  engineModule = require(join(PACKAGE, "schema_engine_bg.js")) as EngineModule
  const bytes = await readFile(join(PACKAGE, "schema_engine_bg.wasm"))
  const { instance } = await wasm.instantiate(bytes, { "./schema_engine_bg.js": engineModule })
  engineModule.__wbg_set_wasm(instance.exports)
})
beforeEach(() => {
  databases = []
})
afterEach(async () => {
  for (const database of databases) await database.drop()
})

/** The SQL that makes an empty database what the schema says. */
async function sqlOf(schema: string, url: string): Promise<string> {
  const adapter = bindMigrationAwareSqlAdapterFactory(
    new PrismaPg({ connectionString: url }, { schema: "public" }),
  )
  const engine = await engineModule.SchemaEngine.new(
    { datamodels: [[SCHEMA, schema]] },
    () => undefined,
    adapter,
  )
  const { stdout } = await engine.diff({
    from: { tag: "empty" },
    to: { tag: "schemaDatamodel", files: [{ path: SCHEMA, content: schema }] },
    script: true,
    exitCode: true,
    shadowDatabaseUrl: null,
    filters: { externalTables: [], externalEnums: [] },
  })
  if (!stdout) throw new Error("the engine gave no SQL")
  return stdout
}

/** Runs `work` on a database without tables, and answers what it holds then. */
async function catalogAfter(work: (url: string) => Promise<string | undefined>): Promise<string[]> {
  const database = await createTestDatabase()
  databases.push(database)
  const client = new Client({ connectionString: database.url })
  await client.connect()
  try {
    await client.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    const sql = await work(database.url)
    if (sql) await client.query(sql)
    return await catalogOf(client)
  } finally {
    await client.end()
  }
}

const ofSchema = (schema: string) => catalogAfter(async (url) => await sqlOf(schema, url))
const ofMigrations = (extra?: string) =>
  catalogAfter(async (url) => {
    await migrate(url, { log: () => undefined })
    return extra
  })

/** One line for every column, enum, key and plain index. Prisma never says NOT NULL of a list, so neither do we. */
const CATALOG = `
  SELECT format('column %s.%s %s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
    CASE WHEN t.typcategory = 'A' THEN 'list' WHEN a.attnotnull THEN 'not null' ELSE 'null' END,
    coalesce(pg_get_expr(d.adbin, d.adrelid), '-')) AS line
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
  UNION ALL
  SELECT format('enum %s %s', t.typname, string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder))
  FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid GROUP BY t.typname
  UNION ALL
  SELECT format('constraint %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
  FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype IN ('p', 'u', 'f')
  UNION ALL
  SELECT format('index %s', pg_get_indexdef(indexrelid))
  FROM pg_index JOIN pg_class c ON c.oid = indexrelid
  WHERE c.relnamespace = 'public'::regnamespace AND indpred IS NULL`

async function catalogOf(client: Client): Promise<string[]> {
  const { rows } = await client.query<{ line: string }>(CATALOG)
  return rows
    .map(({ line }) => line)
    .filter((line) => !line.includes("_prisma_migrations"))
    .sort()
}

/** What one of the two has and the other has not. */
const differences = (one: readonly string[], other: readonly string[]): string[] => [
  ...one.filter((line) => !other.includes(line)).map((line) => `+ ${line}`),
  ...other.filter((line) => !one.includes(line)).map((line) => `- ${line}`),
]

test("the schema and the migrations make the same database", async () => {
  const [schema, migrations] = [await ofSchema(schemaText), await ofMigrations()]
  expect(differences(schema, migrations)).toEqual([])
  expect(schema.length).toBeGreaterThan(100)
})

describe("a difference is found when", () => {
  let migrations: string[]
  beforeAll(async () => {
    databases = []
    migrations = await ofMigrations()
    for (const database of databases) await database.drop()
  })

  test.each([
    ["a column is missing", /^ {2}flightNo .*\n/m, "", ["- column bookings.flight_no text null -"]],
    [
      "a column may be empty",
      /^ {2}customerName {6}String /m,
      "  customerName      String?",
      ["+ column bookings.customer_name text null -", "- column bookings.customer_name text not null -"],
    ],
    [
      "a default differs",
      /@default\("CARD"\)/,
      '@default("CASH")',
      [
        "+ column bookings.payment_method text not null 'CASH'::text",
        "- column bookings.payment_method text not null 'CARD'::text",
      ],
    ],
    [
      "an enum has one value more",
      /^ {2}REVERSED\n/m,
      "  REVERSED\n  LOST\n",
      [
        "+ enum settlement_status PENDING,SETTLED,REVERSED,LOST",
        "- enum settlement_status PENDING,SETTLED,REVERSED",
      ],
    ],
    [
      "an index is missing",
      /^ {2}@@index\(\[topic, seq\]\)\n/m,
      "",
      ["- index CREATE INDEX outbox_topic_seq_idx ON public.outbox USING btree (topic, seq)"],
    ],
  ])("%s", async (_title, pattern, replacement, expected) => {
    const changed = schemaText.replace(pattern, replacement)
    expect(changed).not.toBe(schemaText)
    expect(differences(await ofSchema(changed), migrations)).toEqual(expected)
  })

  test("a reference would cascade, or is only in the migrations", async () => {
    const cascade = schemaText.replace(
      "booking Booking @relation(fields: [bookingId], references: [id], onDelete: Restrict",
      "booking Booking @relation(fields: [bookingId], references: [id], onDelete: Cascade",
    )
    expect(differences(await ofSchema(cascade), migrations).join("\n")).toMatch(
      /\+ constraint payments payments_booking_id_fkey .*ON DELETE CASCADE/,
    )
    const added = "CREATE TABLE extra (id int PRIMARY KEY, booking_id uuid REFERENCES bookings (id))"
    const more = differences(await ofSchema(schemaText), await ofMigrations(added))
    expect(more.every((line) => /^- (column|constraint|index) .*extra/.test(line))).toBe(true)
    expect(more).toHaveLength(5)
  })
})
