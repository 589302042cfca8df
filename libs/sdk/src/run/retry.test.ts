import { describe, expect, test } from '@jest/globals';
import { FatalError, RetryError, WritError } from '../errors/errors.js';
import type { Retry } from '../define/workflow.js';
import { policyOf, runDelayMs, verdictOf } from './retry.js';

const now = Date.parse('2030-01-01T00:00:00Z');
const coded = Object.assign(new Error('no such file'), { code: 'ENOENT' });

describe('a retry policy', () => {
  test.each<[string, Retry, object]>([
    ['exponential, with a limit and jitter', { delay: '1s', factor: 3, maxDelay: '1m', jitter: 0.2 }, { delayMs: 1000, factor: 3, maxDelayMs: 60_000, jitter: 0.2 }],
    ['linear', { delay: 100, increment: 50 }, { delayMs: 100, incrementMs: 50, factor: 1 }],
    ['that pauses, for an hour at most', { attempts: Infinity, within: '1h', onExhausted: 'pause' }, { attempts: 4_294_967_295, totalMs: 3_600_000, pause: true }],
    ['whose delay is a function', { attempts: 2, delay: () => 5 }, { attempts: 2 }],
  ])('%s', (_, retry, expected) => expect(policyOf(retry)).toEqual(expected)); // prettier-ignore

  test('has a jitter from 0 to 1', () => {
    expect(() => policyOf({ jitter: 1.5 })).toThrow('share from 0 to 1, not 1.5');
  });
});

describe('whether a failure is tried again', () => {
  test.each<[string, Retry | undefined, unknown, object]>([
    ['any error of foreign code is', undefined, new Error('x'), { retryable: true }],
    ['a fatal one is not', { attempts: 9 }, new FatalError('x'), { retryable: false }],
    ['not by its code', { except: ['ENOENT'] }, coded, { retryable: false }],
    ['not by its name, where it has no code', { except: ['TypeError'] }, new TypeError('x'), { retryable: false }],
    ['what is no error has no code', { except: ['ENOENT'] }, 'ENOENT', { retryable: true }],
    ['after what the function says', { delay: (_, attempt) => attempt * 10 }, coded, { retryable: true, retryAfterMs: 20 }],
    ['at once is soon', { delay: () => 0 }, coded, { retryable: true, retryAfterMs: 1 }],
    ['not where the function says no', { delay: () => false }, coded, { retryable: false }],
    ['the error itself is heard first', { delay: () => false }, new RetryError('x', { after: '3s' }), { retryable: true, retryAfterMs: 3000 }],
    ['also with an instant', undefined, new RetryError('x', { after: new Date(now + 500) }), { retryable: true, retryAfterMs: 500 }],
    ['an error of Writ that says so', undefined, new WritError('x', { code: 'a.b', retryable: true }), { retryable: true }],
  ])('%s', (_, retry, error, expected) => expect(verdictOf(retry, error, 2, now)).toEqual(expected)); // prettier-ignore

  test('of a whole run, it has the same policy', () => {
    expect(runDelayMs({ delay: '1s', increment: '1s' }, coded, 3, now)).toBe(3000);
    expect(runDelayMs({ attempts: 3 }, coded, 3, now)).toBeUndefined();
    expect(runDelayMs({ except: ['ENOENT'] }, coded, 1, now)).toBeUndefined();
  });
});
