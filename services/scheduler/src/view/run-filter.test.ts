import { expect, test } from '@jest/globals';
import { pageToken, readFilter, readPageToken } from './run-filter.js';

test.each([
  ['', {}],
  ['state = "waiting"', { state: 'waiting' }],
  ['state=queued AND workflow = "a \\"quoted\\" name"', { state: 'queued', workflow: 'a "quoted" name' }],
])('%s', (text, filter) => {
  expect(readFilter(text)).toEqual(filter);
});

test.each(['colour = "red"', 'state', 'state = "a" OR queue = "b"', 'state = "a" AND', "state = 'a'; drop table runs"])(
  '%s is refused',
  (text) => {
    expect(() => readFilter(text)).toThrow(expect.objectContaining({ code: 'run.bad_filter' }));
  },
);

test('a page token comes back as it was; another is refused', () => {
  expect(readPageToken(pageToken({ created_ms: 5, id: 'run_1' }))).toEqual({ createdMs: 5, id: 'run_1' });
  expect(readPageToken('')).toBeUndefined();
  expect(() => readPageToken('x')).toThrow(expect.objectContaining({ code: 'run.bad_filter' }));
});
