import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { Logger, PartitionHandle } from '@writ/ledger';
import type { LedgerEvent } from '@writ/ledger/domain';
import { verifies } from '@writ/testkit';
import fc from 'fast-check';
import { emptyModel, FakePartition, startOf, testTenant } from '../testing/fake-partition.js';
import type { RunCommand } from '../run/run.commands.js';
import type { RunRecord } from '../run/run-record.js';
import type { Poke, SlotsAnswer, SlotsRequest } from './conversation.js';
import { homeOf } from './queues.js';
import { Slots } from './slots.js';

const queue = 'q';
const home = homeOf(testTenant, queue);
const limits = { concurrency: 3, keyConcurrency: 2, key: 'k', rate: { count: 40, periodMs: 1000 } };
const log = { debug: () => {}, warn: () => {} } as unknown as Logger;

/** Numbers that follow from a seed. */
class Dice {
  constructor(private seed: number) {}
  upTo(sides: number): number {
    this.seed = (Math.imul(this.seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.seed / 2 ** 32) * sides);
  }
}

/** Faults of the network between owners, and who owns what. */
class Cluster {
  readonly nodes: Node[] = [];
  /** Owners that do not know yet that they are deposed: they hear everything as well, and may be the first to answer. */
  readonly zombies: Node[] = [];
  lossy = true;

  constructor(readonly dice: Dice) {
    for (let partition = 0; partition < 16; partition++) this.nodes.push(new Node(this, partition));
  }

  /** A request to an owner, as it goes over the network: lost, late, its answer lost, heard by one who is deposed. */
  async ask<A>(partition: number, of: (node: Node) => A | undefined): Promise<A> {
    const turns = this.lossy ? this.dice.upTo(4) : 0;
    for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
    if (this.lossy && this.dice.upTo(8) === 0) throw new Error('lost');
    const zombies = this.zombies.filter((node) => node.partition === partition);
    const answers = [...(this.dice.upTo(2) ? zombies : []), this.nodes[partition] as Node, ...zombies].map(of);
    if (this.lossy && this.dice.upTo(8) === 0) throw new Error('its answer was lost');
    const answer = answers.find((each) => each !== undefined);
    if (answer === undefined) throw new Error('nobody answers');
    return answer;
  }

  /** The owner is gone, with what it had not yet in the ledger; or it is paused, and goes on as a zombie for a while. */
  depose(partition: number): void {
    const old = this.nodes[partition] as Node;
    if (this.dice.upTo(2)) this.zombies.push(old);
    else old.slots.stop();
    old.deposed = true;
    this.nodes[partition] = new Node(this, partition, old);
  }

  bury(): void {
    for (const zombie of this.zombies.splice(0)) zombie.slots.stop();
  }
}

/** The owner of one partition, as far as queues are concerned, with a ledger that acknowledges when it is told to. */
class Node {
  private readonly fake = new FakePartition();
  readonly slots: Slots;
  readonly epoch: number;
  deposed = false;
  private acked = 0;
  private waiting: { commit: number; done: () => void; failed: (error: Error) => void }[] = [];
  /** Runs that a worker would have: what is in the ledger says that they go on. */
  readonly going = new Set<RunRecord>();

  constructor(
    private readonly cluster: Cluster,
    readonly partition: number,
    before?: Node,
  ) {
    this.epoch = (before?.epoch ?? 0) + 1;
    this.fake.model = emptyModel();
    for (const { commit, events } of before?.durable() ?? []) {
      for (const [index, event] of events.entries()) this.fake.model.evolve(event, { commit, index });
      this.fake.log.push({ commit, events });
    }
    this.acked = this.fake.log.length;
    this.fake.model.index.noting = true;
    this.slots = new Slots(this.handle(), {
      ask: (to, request: SlotsRequest) => cluster.ask<SlotsAnswer>(to, (node) => node.slots.hear(wire(request))),
      poke: (to, poke: Poke) => cluster.ask(to, (node) => (node.slots.poke(poke), {})),
      log,
      now: () => Date.now(),
    });
    if (!before)
      this.fake.send(queue, { type: partition === home ? 'set' : 'learn', revision: 1, limits } as never, 'queue');
    this.ack();
    for (const run of this.fake.model.index.all()) if (!run.ended && !run.idle) this.dispatch(run);
    this.slots.start();
  }

  get log(): { commit: number; events: LedgerEvent[] }[] {
    return this.fake.log;
  }

  durable() {
    return this.fake.log.slice(0, this.acked);
  }

  runs(): RunRecord[] {
    return [...this.fake.model.index.all()].filter(({ ended }) => !ended);
  }

  holding(run: RunRecord) {
    return this.fake.model.index.queues.of(run);
  }

  /** A command; its commit is acknowledged later, and by nobody once the owner is deposed. */
  send(subject: string, command: RunCommand, aggregate = 'run'): Promise<void> {
    this.fake.nowMs = Date.now();
    if (this.deposed) return Promise.reject(new Error('deposed'));
    const before = this.fake.log.length;
    this.fake.send(subject, command, aggregate);
    if (this.fake.log.length === before) return Promise.resolve();
    return new Promise((done, failed) => this.waiting.push({ commit: this.fake.log.length, done, failed }));
  }

  ack(): void {
    if (this.deposed) {
      for (const { failed } of this.waiting.splice(0)) failed(new Error('deposed'));
      return;
    }
    this.acked = this.fake.log.length;
    const { index } = this.fake.model;
    for (const note of index.notes) {
      if (note.type === 'ready') this.dispatch(note.run);
      if (note.type !== 'gives') continue;
      this.going.delete(note.run);
      this.slots.gives(note);
    }
    index.notes = [];
    this.slots.committed();
    for (const { done } of this.waiting.splice(0)) done();
  }

  private dispatch(run: RunRecord): void {
    if (run.ended || run.paused || !this.slots.lets(run)) return;
    if (!this.going.has(run)) this.going.add(run);
  }

  private handle(): PartitionHandle {
    const { partition, epoch } = this;
    const { model } = this.fake;
    const execute = ({ subject, command, aggregate }: { subject: string; command: object; aggregate: string }) =>
      this.send(subject, command as never, aggregate);
    return { partition, epoch, model, commit: () => this.acked, execute } as unknown as PartitionHandle;
  }

  /** A timer of a run is due, whatever is in the ledger by now. */
  due(run: RunRecord): void {
    if (!run.live && run.idle) this.dispatch(run);
  }

  /** As its worker would report it. */
  step(run: RunRecord, what: 'end' | 'park'): void {
    if (!run.live) this.fake.assign(run.id);
    const wait = {
      type: 'wait' as const,
      kind: 'message' as const,
      name: 'm',
      occurrence: this.fake.log.length + 1,
      message: 'm',
    };
    const said =
      what === 'end' ? { commands: [], end: { type: 'completed' as const, content: {} } } : { commands: [wait] };
    const item = {
      run: run.id,
      attempt: run.live?.token ?? '',
      idle: what === 'park',
      entries: run.live?.entries ?? 0,
      ...said,
    };
    void this.send(run.id, { type: 'report', session: 'ses', items: [item] }).catch(() => undefined);
  }
}

const wire = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

/** What the ledgers of all partitions say is held. */
function check(cluster: Cluster): void {
  const going = cluster.nodes.flatMap((node) => durablyHeld(node));
  expect(going.filter(({ slot }) => slot).length).toBeLessThanOrEqual(limits.concurrency);
  for (const key of ['a', 'b', 'c', 'd'])
    expect(going.filter((each) => each.key === key).length).toBeLessThanOrEqual(limits.keyConcurrency);
}

function durablyHeld(node: Node): { key: string; slot: boolean }[] {
  const held = new Map<string, { key: string; slot: boolean; admitted: boolean }>();
  for (const { events } of node.durable())
    for (const { type, subject, data } of events) {
      const one = held.get(subject);
      if (type === 'run.started.v1')
        held.set(subject, { key: (data as { ticket: { key: string } }).ticket.key, slot: false, admitted: false });
      if (one && type === 'run.admitted.v1') one.slot = one.admitted = true;
      if (one && type === 'run.parked.v1') one.slot = false;
      if (type === 'run.succeeded.v1') held.delete(subject);
    }
  return [...held.values()].filter(({ admitted }) => admitted);
}

const turn = async () => {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
};

async function life(seed: number): Promise<void> {
  const dice = new Dice(seed);
  const cluster = new Cluster(dice);
  let started = 0;
  let ended = 0;
  const finished = () =>
    cluster.nodes.reduce(
      (sum, node) =>
        sum +
        node
          .durable()
          .flatMap(({ events }) => events)
          .filter(({ type }) => type === 'run.succeeded.v1').length,
      0,
    );
  const act = (node: Node, faults: boolean) => {
    const going = [...node.going].filter((run) => !run.ended && node.holding(run)?.slot);
    const run = going[dice.upTo(Math.max(going.length, 1))];
    if (run) node.step(run, faults && dice.upTo(3) === 0 ? 'park' : 'end');
    for (const parked of node.runs())
      if (parked.idle && parked.opens.length > 0 && dice.upTo(2))
        void node.send(parked.id, { type: 'message', message: 'm', content: {} }).catch(() => undefined);
    for (const parked of node.runs()) if (dice.upTo(3) === 0) node.due(parked);
    if (dice.upTo(3)) node.ack();
  };
  for (let i = 0; i < 120; i++) {
    const node = cluster.nodes[dice.upTo(16)] as Node;
    if (dice.upTo(3) === 0 && started < 40) {
      const key = 'abcd'[dice.upTo(4)] as string;
      void node.send(`run_${started++}`, startOf('w', { queue, ungranted: true, key })).catch(() => undefined);
    }
    for (const each of cluster.nodes) act(each, true);
    if (dice.upTo(6) === 0) cluster.depose(dice.upTo(4) === 0 ? home : node.partition);
    if (dice.upTo(10) === 0) cluster.bury();
    await turn();
    if (dice.upTo(3) === 0) await jest.advanceTimersByTimeAsync(100);
    check(cluster);
  }
  cluster.lossy = false;
  cluster.bury();
  const all = () =>
    cluster.nodes.reduce(
      (sum, node) =>
        sum +
        node
          .durable()
          .flatMap(({ events }) => events)
          .filter(({ type }) => type === 'run.started.v1').length,
      0,
    );
  for (let i = 0; i < 400 && (ended = finished()) < all(); i++) {
    for (const each of cluster.nodes) {
      act(each, false);
      each.ack();
    }
    await turn();
    await jest.advanceTimersByTimeAsync(100);
    check(cluster);
  }
  expect(ended).toBe(all());
  for (const node of cluster.nodes) node.slots.stop();
}

describe('owners that are killed, paused and deposed, and lose what they say to each other', () => {
  beforeEach(() => void jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate'] }));
  afterEach(() => void jest.useRealTimers());

  test('never let more runs of a queue go on than its limits, and all go on in the end', async () => {
    verifies('queue.concurrency');
    await fc.assert(fc.asyncProperty(fc.integer(), life), {
      numRuns: Number(process.env['WRIT_CASES'] ?? 15),
      endOnFailure: true,
    });
  }, 60_000);
});
