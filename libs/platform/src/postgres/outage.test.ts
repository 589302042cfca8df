import { failureOf, registerTranslation } from '@writ/api';
import { expect, test } from '@jest/globals';
import { QueryFailedError, QueryRunnerAlreadyReleasedError, QueryRunnerProviderAlreadyReleasedError } from 'typeorm';
import { verifies } from '@writ/testkit';
import { outage } from './outage.js';

const withCode = (message: string, code: string): Error => Object.assign(new Error(message), { code });

registerTranslation(outage);

test.each([
  ['nobody listens', withCode('connect ECONNREFUSED 127.0.0.1:5432', 'ECONNREFUSED')],
  ['it starts', withCode('the database system is starting up', '57P03')],
  ['it was killed in the middle', new Error('Connection terminated unexpectedly')],
  ['a transaction goes on without its connection', new QueryRunnerProviderAlreadyReleasedError()],
  ['a runner does', new QueryRunnerAlreadyReleasedError()],
  ['a query met it', new QueryFailedError('SELECT 1', [], withCode('terminating connection', '57P01'))],
])('a database that is away (%s) is a failure that may be tried again, without a word of it', (_why, error) => {
  verifies('platform.database_away');
  const { code, status, retry, detail, bug } = failureOf(error);
  expect({ code, status, retry, bug }).toEqual({
    code: 'service.unavailable',
    status: 503,
    retry: true,
    bug: undefined,
  });
  expect(detail).not.toContain(error.message);
});

test('what is wrong with a query stays a bug', () => {
  const error = new QueryFailedError('SELECT x', [], withCode('column "x" does not exist', '42703'));
  expect(failureOf(error)).toMatchObject({ code: 'internal.error', bug: error });
});
