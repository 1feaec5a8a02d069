const { writeFileSync } = require("node:fs")

/** A jest reporter that leaves the counts of a run in the file `ENTRIP_TEST_SUMMARY`, for `scripts/test.mjs`. */
class SummaryReporter {
  onRunComplete(_contexts, results) {
    const target = process.env.ENTRIP_TEST_SUMMARY
    if (!target) return
    const summary = {
      passed: results.numPassedTests,
      // A file that cannot even be loaded has no failed test, but it is a failure.
      failed: results.numFailedTests + results.numRuntimeErrorTestSuites,
      skipped: results.numPendingTests + results.numTodoTests,
    }
    writeFileSync(target, JSON.stringify(summary))
  }
}

module.exports = SummaryReporter
