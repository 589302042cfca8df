import { describe, expect, test } from '@jest/globals';
import { CommitLines } from './commit-lines.js';
import { LedgerHistory } from './history.js';

const line = (subject: string, tenant: string, data: unknown) => JSON.stringify({ subject, tenant, data });
const body = (...lines: string[]) => Buffer.from(lines.join('\n'));

describe('a history', () => {
  test('is the lines of one run of one tenant, also where others mention it, and whoever was asked for before', () => {
    const bytes = body(
      line('r', 't', 1),
      line('q', 't', { child: 'r', subject: 'r', text: '"subject":"r"' }),
      line('r', 'u', 2),
      line('r2', 't', 3),
      line('a "b\\', 't', 5),
      line('r', 't', 4),
    );
    const lines = new CommitLines(bytes);
    const ofRun = (run: string) => lines.of('t', run).map(({ data }) => data);
    for (const _ of ['searched', 'in order']) expect(ofRun('r')).toEqual([1, 4]);
    expect(new CommitLines(bytes).of('t', 'a "b\\')).toHaveLength(1);
    expect([ofRun('r2'), ofRun('a "b\\'), ofRun('x')]).toEqual([[3], [5], []]);
  });

  test.each([
    ['scattered', [3, 700, 9000]],
    ['dense', Array.from({ length: 100 }, (_, i) => 2 * i + 1)],
  ])('of %s commits is read in their order', async (_, commits) => {
    const ranges: [number, number][] = [];
    const history = new LedgerHistory(
      async (_partition, commit) => body(line('r', 't', commit)),
      async function* (_partition, from, to) {
        ranges.push([from, to]);
        for (let commit = from; commit <= to; commit++) yield { commit, bytes: body(line('r', 't', commit)) };
      },
    );
    const events = await history.events(0, 't', 'r', commits);
    expect(events.map(({ data }) => data)).toEqual(commits);
    expect(ranges).toHaveLength(commits.length > 64 ? 1 : 0);
  });

  test('with a commit that is gone is an error that names it', async () => {
    const history = new LedgerHistory(
      async () => undefined,
      async function* () {},
    );
    await expect(history.events(3, 't', 'r', [17])).rejects.toMatchObject({
      code: 'run.journal_lost',
      message: expect.stringContaining('17'),
    });
  });
});
