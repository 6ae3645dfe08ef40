// Prints the test runner's own counts as the last line, "N passed, N failed[, N skipped]", and exits like the runner.
// usage: node scripts/test-totals.mjs REPORT.json EXIT_CODE
import { readFileSync, rmSync } from 'node:fs';

const [reportFile = '', exitCode = '1'] = process.argv.slice(2);
const report = JSON.parse(readFileSync(reportFile, 'utf8'));
rmSync(reportFile);
const brokenFiles = report.testResults.filter(
  (file) => file.status === 'failed' && file.assertionResults.length === 0,
);
for (const file of brokenFiles) console.log(`could not run: ${file.name}\n${file.message}`);
for (const file of report.testResults) {
  for (const { status, fullName } of file.assertionResults) {
    if (status === 'pending' || status === 'skipped' || status === 'todo')
      console.log(`skipped: ${fullName}`);
  }
}
const failed = report.numFailedTests + brokenFiles.length;
const skipped = report.numPendingTests + report.numTodoTests;
console.log(`${report.numPassedTests} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exit(failed > 0 || report.numPassedTests === 0 ? 1 : Number(exitCode));
