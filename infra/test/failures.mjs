import { appendFileSync } from 'node:fs';
import path from 'node:path';

/** Writes which tests failed, a line each, to `WRIT_TEST_FAILURES`: for a report that must fit where a whole output does not. */
export default class Failures {
  constructor({ rootDir }) {
    this.rootDir = rootDir;
  }

  onTestResult(_test, { testFilePath, testExecError, testResults }) {
    const file = path.relative(this.rootDir, testFilePath);
    const failed = testResults.filter(({ status }) => status === 'failed');
    const lines = failed.map(
      ({ fullName, failureMessages }) => `${file} › ${fullName}: ${firstLine(failureMessages[0])}`,
    );
    if (testExecError) lines.push(`${file}: ${firstLine(testExecError.message)}`);
    for (const line of lines) appendFileSync(process.env.WRIT_TEST_FAILURES, `failed: ${line}\n`);
  }
}

const firstLine = (message = '') =>
  message
    .replaceAll(/\u001b\[[0-9;]*m/g, '')
    .split('\n')
    .find((line) => line.trim() !== '')
    ?.slice(0, 200) ?? '';
