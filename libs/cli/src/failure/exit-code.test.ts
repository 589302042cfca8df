import { expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { exitCodeOf } from './exit-code.js';
import { Refused, problemOf } from './refused.js';

test.each([
  ['request.invalid', 400, 2],
  ['policy.invalid', 422, 2],
  ['run.not_found', 404, 3],
  ['auth.token_expired', 401, 4],
  ['auth.revoked', 401, 4],
  ['policy.denied', 403, 5],
  ['auth.missing_capability', 403, 5],
  ['run.conflict', 409, 6],
  ['policy.version_changed', 412, 6],
  ['ledger.unavailable', 503, 7],
  ['request.deadline_exceeded', 504, 7],
  ['internal.error', 500, 1],
])('%s with status %d exits %d', (code, status, exit) => {
  verifies('cli.exit_codes');
  expect(exitCodeOf(new Refused(code, 'no', { status }).problem)).toBe(exit);
});

test.each([
  ['cli.usage', 2],
  ['cli.needs_confirmation', 2],
  ['cli.file_exists', 6],
  ['cli.interrupted', 130],
  ['cli.failed', 1],
  ['auth.bad_key_file', 4],
  ['service.unavailable', 7],
])('%s, which no server said, exits %d', (code, exit) => {
  expect(exitCodeOf(new Refused(code, 'no').problem)).toBe(exit);
});

test('an error of the SDK keeps its code, its hint and its request', () => {
  const error = Object.assign(new Error('no token'), { code: 'auth.invalid_client', hint: 'look', requestId: 'req_1' });
  expect(problemOf(error)).toMatchObject({
    code: 'auth.invalid_client',
    detail: 'no token',
    hint: 'look',
    request_id: 'req_1',
  });
});

test('what is no error of ours is a bug of this program', () => {
  expect(problemOf(new TypeError('x is undefined'))).toMatchObject({ code: 'cli.failed', detail: 'x is undefined' });
});
