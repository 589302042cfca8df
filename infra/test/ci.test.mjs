import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../..');
let bin;
beforeAll(() => {
  bin = mkdtempSync(path.join(tmpdir(), 'writ-ci-test-'));
});
afterAll(() => rmSync(bin, { recursive: true, force: true }));

/** Runs `.ci/run` with an npm that answers as told; what the real one does, CI itself shows. */
function ci(script) {
  writeFileSync(path.join(bin, 'npm'), `#!/bin/sh\ncase "$*" in ${script} *) exit 0 ;; esac\n`);
  chmodSync(path.join(bin, 'npm'), 0o755);
  const env = { ...process.env, PATH: `${bin}${path.delimiter}${process.env.PATH}` };
  const { status, stdout } = spawnSync('bash', [path.join(root, '.ci/run')], { env, encoding: 'utf8' });
  const tail = stdout.trimEnd().split('\n').slice(-2);
  return { status, tail, last: tail[1] };
}

test('all that passes is counted', () => {
  expect(ci('*demo*) echo \'{"ok":true}\' ;;')).toMatchObject({ status: 0, last: '3 passed, 0 failed' });
});

test('a failure does not keep the rest from running, and fails the whole', () => {
  expect(ci('*verify*) exit 1 ;; *demo*) echo \'{"ok":true}\' ;;')).toMatchObject({
    status: 1,
    last: '2 passed, 1 failed',
  });
});

test('the tests that failed are told again at the end', () => {
  const lines =
    '*test*) echo "failed: a.test.ts › b: c" >> "$WRIT_TEST_FAILURES"; exit 1 ;; *demo*) echo \'{"ok":true}\' ;;';
  expect(ci(lines)).toMatchObject({ status: 1, tail: ['failed: a.test.ts › b: c', '2 passed, 1 failed'] });
});

test('a demo that exits with 0 and says that it is not ok, or nothing at all, has failed', () => {
  expect(ci('*demo*) echo \'{"ok":false}\' ;;')).toMatchObject({ status: 1, last: '2 passed, 1 failed' });
  expect(ci('')).toMatchObject({ status: 1, last: '2 passed, 1 failed' });
});
