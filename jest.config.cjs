const { existsSync, readdirSync, readFileSync } = require("node:fs")
const { join } = require("node:path")

/** Packages that are ESM only: Node requires them as they are, jest has to compile them first. */
function esmPackages() {
  const modules = join(__dirname, "node_modules")
  const names = readdirSync(modules).flatMap((name) =>
    name.startsWith("@") ? readdirSync(join(modules, name)).map((child) => `${name}/${child}`) : [name],
  )
  return names.filter((name) => {
    const manifest = join(modules, name, "package.json")
    return existsSync(manifest) && JSON.parse(readFileSync(manifest, "utf8")).type === "module"
  })
}

const escaped = esmPackages().map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))

/** @type {import("jest").Config} */
module.exports = {
  rootDir: __dirname,
  testEnvironment: "node",
  testMatch: ["**/*.test.ts"],
  testPathIgnorePatterns: ["/node_modules/", "/dist/", "/\\.local/"],
  modulePathIgnorePatterns: ["<rootDir>/dist/", "<rootDir>/\\.local/"],
  transform: {
    "\\.[cm]?[jt]s$": [
      "@swc/jest",
      {
        swcrc: false,
        jsc: { target: "es2023", parser: { syntax: "typescript" } },
        module: { type: "commonjs" },
        sourceMaps: "inline",
      },
    ],
  },
  transformIgnorePatterns: [`/node_modules/(?!(?:${escaped.join("|")})/)`],
  // Sources import each other with and without an extension; jest has to find the .ts behind a .js.
  moduleNameMapper: { "^(\\.{1,2}/.*)\\.js$": "$1" },
  globalSetup: "<rootDir>/test/helpers/global-setup.ts",
  globalTeardown: "<rootDir>/test/helpers/global-teardown.ts",
  setupFilesAfterEnv: ["<rootDir>/test/helpers/console-guard.ts"],
  reporters: ["default", "<rootDir>/scripts/jest-summary.cjs"],
  maxWorkers: 2,
  testTimeout: 30_000,
}
