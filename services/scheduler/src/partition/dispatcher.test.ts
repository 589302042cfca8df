import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { RunRecord } from '../run/run-record.js';
import { Dispatcher, type WorkerDirectory } from './dispatcher.js';

const offered = { tenant: 'tnt_1', queue: 'default', workflow: 'review', principal: 'agt_1' };
const run = (id: string) =>
  ({
    id,
    tenant: 'tnt_1',
    queue: 'default',
    workflow: 'review',
    agent: 'agt_1',
    onBehalfOf: [],
  }) as unknown as RunRecord;

/** A worker with so much room, and other replicas whose answer is a while on its way. */
class Workers implements WorkerDirectory {
  room = 0;
  answer: (lease?: { session: string; slots: number }) => void = () => undefined;

  pick(): string | undefined {
    return this.room > 0 ? (this.room--, 'here') : undefined;
  }

  unpick(): void {
    this.room++;
  }

  lease(): Promise<{ session: string; slots: number } | undefined> {
    return new Promise((resolve) => (this.answer = resolve));
  }
}

describe('the line for a worker', () => {
  let workers: Workers;
  let dispatcher: Dispatcher;
  const assigned: string[] = [];
  const owner = { assign: ({ id }: RunRecord, session: string) => assigned.push(`${id} ${session}`) > 0 };

  beforeEach(() => {
    workers = new Workers();
    dispatcher = new Dispatcher(workers);
    assigned.length = 0;
  });
  afterEach(() => dispatcher.stop());

  const available = (room: number) => {
    workers.room = room;
    dispatcher.available(offered);
  };

  test('goes in the order in which runs came', () => {
    for (const id of ['a', 'b', 'c']) dispatcher.enqueue(run(id), owner);
    available(2);
    expect(assigned).toEqual(['a here', 'b here']);
    expect([...dispatcher.waiting()]).toMatchObject([{ runs: 1 }]);
  });

  test('is another one for another queue or workflow, whatever they are called', () => {
    for (const [queue, workflow] of [
      ['a', 'b\nc'],
      ['a\nb', 'c'],
      ['1\na', 'bc'],
      ['', 'a\nb\nc'],
    ] as const)
      // prettier-ignore
      dispatcher.enqueue({ ...run(`${queue} ${workflow}`), queue, workflow } as RunRecord, owner);
    expect([...dispatcher.waiting()]).toHaveLength(4);
    workers.room = 4;
    dispatcher.available({ ...offered, queue: 'a', workflow: 'b\nc' });
    expect(assigned).toEqual(['a b\nc here']);
  });

  test('takes what another replica lends', async () => {
    dispatcher.enqueue(run('a'), owner);
    workers.answer({ session: 'elsewhere', slots: 1 });
    await new Promise((resolve) => setImmediate(resolve));
    expect(assigned).toEqual(['a elsewhere']);
  });

  test('a late answer to a line that has emptied loses nobody of the next one', async () => {
    dispatcher.enqueue(run('a'), owner);
    const { answer } = workers;
    available(1);
    dispatcher.enqueue(run('b'), owner);
    answer({ session: 'elsewhere', slots: 1 });
    await new Promise((resolve) => setImmediate(resolve));
    expect([...dispatcher.waiting()]).toMatchObject([{ runs: 1 }]);
    available(1);
    expect(assigned).toEqual(['a here', 'b here']);
  });
});
