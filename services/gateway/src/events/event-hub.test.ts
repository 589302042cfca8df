import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, jest, test } from '@jest/globals';
import type { Commit, Follower, Ledger } from '@writ/ledger';
import { eventually, verifies } from '@writ/testkit';
import { everyPartition, formatCursor, parseCursor } from './cursor.js';
import { EventHub } from './event-hub.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** One commit of one event of `bytes` bytes. */
function commitOf(number: number, bytes: number): Commit {
  const event = {
    id: `evt_${number}`,
    type: 'note.written.v1',
    tenant: 'tnt_1',
    subject: 's',
    actor: {},
    data: number,
  };
  return {
    service: 'identity',
    partition: 0,
    commit: number,
    bytes: new Uint8Array(bytes),
    events: [event],
    time: new Date(number),
  } as unknown as Commit;
}

/** A ledger whose only partition with commits is the first one; it makes them anew whenever they are read. */
class FakeLedger implements Pick<Ledger, 'follow' | 'last' | 'read'> {
  head = 0;
  private live: ((commit: Commit) => void | Promise<void>) | undefined;
  private fail: (error: Error) => void = () => undefined;
  from: (number | undefined)[] = [];
  following = 0;

  constructor(private readonly bytes: number) {}

  commit(): WeakRef<Commit> {
    const commit = commitOf(++this.head, this.bytes);
    void this.live?.(commit);
    return new WeakRef(commit);
  }

  /** The follower ends with an error, as when a connection or a chain is broken. */
  breakOff(): void {
    this.live = undefined;
    this.fail(new Error('broken'));
  }

  async last(service: string): Promise<number> {
    return service === 'identity' ? this.head : 0;
  }

  async follow({ service, from, onCommit }: Parameters<Ledger['follow']>[0]): Promise<Follower> {
    const closed = new Promise<void>((_resolve, reject) => {
      if (service !== 'identity') return;
      this.fail = reject;
      this.from.push(from);
      this.live = onCommit;
    });
    this.following++;
    return { commit: 0, caughtUp: Promise.resolve(), closed, stop: async () => void this.following-- };
  }

  async *read(service: string, _partition: number, { from = 0, to = this.head } = {}): AsyncIterable<Commit> {
    if (service !== 'identity') return;
    for (let number = from + 1; number <= to; number++) yield commitOf(number, this.bytes);
  }
}

async function numbers(stream: AsyncGenerator<{ event: { data: unknown } }>, count: number): Promise<unknown[]> {
  const all: unknown[] = [];
  while (all.length < count) all.push((await stream.next()).value?.event.data);
  return all;
}
const upTo = (count: number, from = 1) => Array.from({ length: count - from + 1 }, (_, at) => at + from);

test.each([
  ['many', 5_000, 100],
  ['large', 300, 1024 * 1024],
])('a subscriber that does not read holds back a few commits only, when they are %s', async (_name, count, bytes) => {
  verifies('events.slow_subscriber');
  const ledger = new FakeLedger(bytes);
  const hub = new EventHub(ledger);
  const leave = new AbortController();
  const stream = hub.subscribe(await hub.now(), { tenant: 'tnt_1' }, leave.signal);
  ledger.commit();
  expect(await numbers(stream, 1)).toEqual([1]);
  const commits = upTo(count, 2).map(() => ledger.commit());
  await new Promise((resolve) => setImmediate(resolve)); // a weak reference holds its target until the turn ends
  collectGarbage();
  expect(commits.filter((each) => each.deref() !== undefined).length).toBeLessThan(1_010);
  expect(commits.filter((each) => each.deref() !== undefined).length * bytes).toBeLessThan(8 * 1024 * 1024);
  expect(await numbers(stream, count - 1)).toEqual(upTo(count, 2));
  ledger.commit();
  expect(await numbers(stream, 1)).toEqual([count + 1]);
  leave.abort();
  await hub.stop();
});

test('what cannot be followed is named, and taken up again where it broke off', async () => {
  const ledger = new FakeLedger(10);
  const hub = new EventHub(ledger);
  const leave = new AbortController();
  const stream = hub.subscribe(await hub.now(), { tenant: 'tnt_1' }, leave.signal);
  ledger.commit();
  expect(await numbers(stream, 1)).toEqual([1]);
  ledger.breakOff();
  await eventually(() => hub.notFollowed().length > 0);
  expect(hub.notFollowed()).toEqual([{ partition: 'identity/00', why: 'broken' }]);
  await eventually(() => hub.notFollowed().length === 0);
  expect(ledger.from).toEqual([1, 1]);
  ledger.commit();
  expect(await numbers(stream, 1)).toEqual([2]);
  leave.abort();
  await hub.stop();
});

test('a subscription ends with its signal, also while nothing happens', async () => {
  const hub = new EventHub(new FakeLedger(10));
  const leave = new AbortController();
  const stream = hub.subscribe(await hub.now(), { tenant: 'tnt_1' }, leave.signal);
  const next = stream.next();
  leave.abort();
  expect(await next).toEqual({ done: true, value: undefined });
  await hub.stop();
});

test('no partition is followed before somebody listens, and none when the last one has left a while ago', async () => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate'] });
  try {
    const ledger = new FakeLedger(10);
    const hub = new EventHub(ledger);
    ledger.commit();
    for (const listener of [1, 2]) {
      expect(ledger.following).toBe(0);
      const leave = new AbortController();
      const stream = hub.subscribe({ commits: [0] }, { tenant: 'tnt_1' }, leave.signal);
      expect(await numbers(stream, listener)).toEqual(upTo(listener));
      ledger.commit();
      expect(await numbers(stream, 1)).toEqual([listener + 1]);
      leave.abort();
      await stream.return(undefined);
      expect(ledger.following).toBe(everyPartition.length);
      await jest.advanceTimersByTimeAsync(30_000);
    }
    expect(ledger.following).toBe(0);
  } finally {
    jest.useRealTimers();
  }
});

test('a commit that was cut is read to its end before an older one of another partition that has come meanwhile', async () => {
  verifies('events.resume');
  const written: Record<string, Commit> = {
    identity: { ...commitOf(1, 10), time: new Date(2), events: [1, 2, 3].map((number) => commitOf(number, 10).events[0]!) }, // prettier-ignore
    policy: { ...commitOf(1, 10), service: 'policy', time: new Date(1), events: commitOf(9, 10).events },
  };
  const ledger: ConstructorParameters<typeof EventHub>[0] = {
    last: async (service) => (service in written ? 1 : 0),
    follow: () =>
      Promise.resolve({ commit: 0, caughtUp: Promise.resolve(), closed: new Promise(() => {}), stop: async () => {} }),
    async *read(service, _partition, { from = 0 } = {}) {
      if (from === 0) yield written[service]!;
    },
  };
  const hub = new EventHub(ledger);
  const leave = new AbortController();
  const seen: unknown[] = [];
  let cursor = formatCursor({ commits: [0], within: { at: 0, index: 0 } }); // behind the first of three
  while (seen.length < 3) {
    const stream = hub.subscribe(parseCursor(cursor), { tenant: 'tnt_1' }, leave.signal);
    const { value } = await stream.next();
    seen.push(value?.event.data);
    cursor = value?.cursor ?? '';
    await stream.return(undefined);
  }
  expect(seen).toEqual([2, 3, 9]);
  leave.abort();
  await hub.stop();
});
