import { expect, test } from '@jest/globals';
import type { EntityManager } from 'typeorm';
import type { LedgerEvent } from '../domain/events.js';
import { CheckpointMoved, type Checkpoints, type Move } from './checkpoints.js';
import { ProjectionWriter, type Share } from './writer.js';

const share = (partition: number, id: string): Share => ({
  partition,
  from: 1,
  to: 2,
  rows: [{ event: { id } as LedgerEvent, position: { service: 'policy', partition, commit: 2, index: 0 } }],
});

/** @param refused ids that `apply` throws for; @param moved partitions whose checkpoint somebody else has */
function writing({ refused = [], moved = [] }: { refused?: string[]; moved?: number[] }) {
  const transactions: string[][] = [];
  const manager = {} as EntityManager;
  const checkpoints = {
    async advance(_name: string, moves: readonly Move[], write?: (manager: EntityManager) => Promise<void>) {
      if (moves.some(({ partition }) => moved.includes(partition))) throw new CheckpointMoved('moved');
      await write?.(manager);
    },
  };
  const projection = {
    name: 'things',
    async apply(rows: Share['rows']) {
      const ids = rows.map(({ event }) => event.id);
      for (const id of ids) if (refused.includes(id)) throw new Error(`${id} is poison`);
      transactions.push(ids);
    },
  };
  return { transactions, writer: new ProjectionWriter(projection, checkpoints as unknown as Checkpoints) };
}

test('what partitions have at the same time is one transaction, and so is what comes during it', async () => {
  const { writer, transactions } = writing({});
  const first = [0, 1, 2].map((partition) => writer.write(share(partition, `a${partition}`)));
  const later = first[0]?.then(() => Promise.all([3, 4].map((at) => writer.write(share(at, `b${at}`)))));
  expect(await Promise.all(first)).toEqual([3, 3, 3]);
  expect(await later).toEqual([2, 2]);
  expect(transactions).toEqual([
    ['a0', 'a1', 'a2'],
    ['b3', 'b4'],
  ]);
});

test('a partition that cannot be written holds no other one up', async () => {
  const { writer, transactions } = writing({ refused: ['a1'], moved: [2] });
  const shares = [0, 1, 2, 3].map((partition) => writer.write(share(partition, `a${partition}`)));
  const [, poison, moved] = await Promise.allSettled(shares);
  expect(transactions).toEqual([['a0'], ['a3']]);
  expect(poison).toMatchObject({ reason: { message: 'a1 is poison' } });
  expect(moved).toMatchObject({ reason: { name: 'CheckpointMoved' } });
});
