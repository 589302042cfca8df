import { expect, test } from '@jest/globals';
import { viewReaches } from './view-position.js';

const asked: unknown[] = [];
const host = {
  service: 'memory',
  partitions: 4,
  waitFor: async (...question: unknown[]) => asked.push(question) > 1,
} as const;

test('a reader waits for a position of the service, and for nothing else', async () => {
  expect(await viewReaches(host, 'view', '', 50)).toBe(true);
  expect(asked).toEqual([]);
  expect(await viewReaches(host, 'view', 'memory/03/7/0', 50)).toBe(false);
  expect(await viewReaches(host, 'view', 'memory/03/7/0', 50)).toBe(true);
  expect(asked[0]).toEqual(['view', 'memory/03/7/0', 50]);
  for (const after of ['yesterday', 'policy/00/1/0', 'memory/04/1/0', 'memory/00/1'])
    await expect(viewReaches(host, 'view', after, 50)).rejects.toMatchObject({
      code: 'request.invalid',
      details: { violations: [{ field: 'after', detail: expect.stringContaining(after) }] },
    });
});
