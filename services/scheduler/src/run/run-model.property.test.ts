import { describe, expect, test } from '@jest/globals';
import { DomainError, type Json } from '@writ/ledger/domain';
import { verifies } from '@writ/testkit';
import fc from 'fast-check';
import { emptyModel, FakePartition, startOf, testTenant } from '../testing/fake-partition.js';
import { projectRuns, type RunRow } from '../view/run-view.js';
import { journalOf } from './journal.js';
import { joinOutcome } from './joins.js';
import type { RunCommand, WorkerCommand } from './run.commands.js';
import type { Content } from './run.events.js';
import type { Open } from './run-record.js';

const ids = ['r0', 'r1', 'r2'];
const name = fc.constantFrom('a', 'b');
const key = { name, occurrence: fc.integer({ min: 1, max: 3 }) };
const policy = { attempts: 2, delayMs: 50, factor: 2, maxDelayMs: 1000 };
const content = fc.constantFrom<Content>({}, { value: 1 }, { value: { x: [1, null] } });

/** Anything a worker may say, sense or nonsense. */
const said: fc.Arbitrary<WorkerCommand> = fc.oneof(
  fc.record({ type: fc.constant('completed' as const), kind: fc.constantFrom('step' as const, 'call' as const), ...key, content }),
  fc.record({ type: fc.constant('failed' as const), kind: fc.constant('step' as const), ...key, attempt: fc.integer({ min: 1, max: 2 }), error: fc.constant({ code: 'e', message: 'm' }), retryable: fc.boolean(), policy: fc.constantFrom(policy, { ...policy, totalMs: 80, jitter: 0.5, pause: true }) }),
  fc.record({ type: fc.constant('sleep' as const), kind: fc.constant('sleep' as const), ...key, durationMs: fc.integer({ min: 0, max: 300 }) }),
  fc.record({ type: fc.constant('wait' as const), kind: fc.constant('message' as const), ...key, message: name, timeoutMs: fc.integer({ min: 1, max: 300 }) }),
  fc.record({ type: fc.constant('child' as const), kind: fc.constant('child' as const), ...key, child: fc.constantFrom('c0', 'c1'), workflow: fc.constant('c'), input: content, attach: fc.boolean(), cancelWithParent: fc.boolean() }),
  fc.record({ type: fc.constant('result' as const), kind: fc.constant('result' as const), ...key, child: fc.constantFrom('c0', 'c1') }),
  fc.constantFrom<string[]>(['c0', 'c1'], ['c1'], []).chain((children) => fc.record({ type: fc.constant('join' as const), kind: fc.constant('result' as const), ...key, children: fc.constant(children), need: fc.integer({ min: 0, max: children.length }) })),
  fc.record({ type: fc.constant('answer' as const), kind: fc.constant('update' as const), name: fc.constantFrom('u/1', 'u/2'), occurrence: fc.constant(1), content }),
  fc.record({ type: fc.constant('abort' as const), kind: fc.constantFrom('step' as const, 'sleep' as const, 'message' as const, 'child' as const), ...key, error: fc.constant({ code: 'run.aborted', message: 'm' }) }),
  fc.record({ type: fc.constant('emit' as const), kind: fc.constant('emit' as const), ...key, content }),
); // prettier-ignore
const end = fc.oneof(
  { weight: 8, arbitrary: fc.constant(undefined) },
  fc.record({ type: fc.constant('completed' as const), content }),
  fc.constant({ type: 'failed' as const, error: { code: 'e', message: 'm' } }),
  fc.constant({ type: 'cancelled' as const, stopped: ['x'], outcomeUnknown: [] }),
);
type Step =
  | {
      what: 'report';
      run: string;
      commands: WorkerCommand[];
      end: Parameters<typeof Object>[0];
      idle: boolean;
      seen: boolean;
    }
  | { what: 'command'; run: string; command: RunCommand }
  | { what: 'time'; ms: number };
const run = fc.constantFrom(...ids);
const outside: fc.Arbitrary<RunCommand> = fc.oneof(
  fc.constantFrom(startOf(), startOf('w', { parent: 'p' }), startOf('w', { parent: 'q' })),
  fc.record({ type: fc.constant('message' as const), message: name, content }),
  fc.record({ type: fc.constant('cancel' as const), reason: fc.constant('x'), force: fc.boolean(), graceMs: fc.integer({ min: 0, max: 200 }) }),
  fc.constant({ type: 'resume' as const }),
  fc.record({ type: fc.constant('update' as const), update: fc.constant('u'), name: fc.constantFrom('u/1', 'u/2'), content, seen: fc.constantFrom({ commit: -1 }, { attempt: '', entries: 0 }) }),
  fc.record({ type: fc.constant('child_started' as const), ...key, child: fc.constantFrom('c0', 'c1') }),
  fc.record({ type: fc.constant('child_refused' as const), ...key, child: fc.constantFrom('c0', 'c1'), error: fc.constant({ code: 'e', message: 'm' }) }),
  fc.record({ type: fc.constant('child_ended' as const), outcome: fc.record({ child: fc.constantFrom('c0', 'c1'), state: fc.constantFrom('succeeded' as const, 'failed' as const, 'cancelled' as const) }, { noNullPrototype: true }) }),
  fc.constant({ type: 'timers' as const, runs: ids }),
  fc.constant({ type: 'revoke' as const, kind: 'run' as const, principal: 'r0' }),
); // prettier-ignore
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ what: fc.constant('report' as const), run, commands: fc.array(said, { maxLength: 3 }), end, idle: fc.boolean(), seen: fc.boolean() }) },
    { weight: 3, arbitrary: fc.record({ what: fc.constant('command' as const), run, command: outside }) },
    { weight: 1, arbitrary: fc.record({ what: fc.constant('time' as const), ms: fc.integer({ min: 1, max: 200 }) }) },
  ),
  { maxLength: 60 },
); // prettier-ignore

/** An update that was accepted in the state that the run has now; every other one in one that it never had. */
function asSeen(command: RunCommand, partition: FakePartition, id: string): RunCommand {
  if (command.type !== 'update' || 'attempt' in command.seen) return command;
  const record = partition.model.index.get(testTenant, id);
  const { live } = record ?? {};
  const seen = live ? { attempt: live.token, entries: live.entries } : { commit: record?.commits.at(-1) ?? 0 };
  return { ...command, seen };
}

/** Lets a partition live through a story; `each` looks at it after every step. */
function live(story: readonly Step[], each: (partition: FakePartition) => void = () => undefined): FakePartition {
  const partition = new FakePartition();
  for (const id of ids) partition.send(id, startOf());
  for (const step of story) {
    try {
      if (step.what === 'time') partition.nowMs += step.ms;
      else if (step.what === 'command') partition.send(step.run, asSeen(step.command, partition, step.run));
      else {
        const record = partition.model.index.get(testTenant, step.run);
        if (!record || record.ended || record.paused || record.cancel?.stopped) continue;
        const live = record.live ?? partition.assign(step.run);
        const { commands, end: over, idle } = step;
        const entries = step.seen ? live.entries : 0;
        const item = {
          run: step.run,
          attempt: live.token,
          commands,
          idle,
          entries,
          ...(over !== undefined && { end: over }),
        };
        partition.send(step.run, { type: 'report', session: 'ses', items: [item] as never });
      }
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
    }
    each(partition);
  }
  return partition;
}

const state = (model: FakePartition['model']) => JSON.parse(JSON.stringify(model.snapshot())) as Json;

describe('whatever happens to runs', () => {
  test('replaying the log, or a snapshot and the rest of it, gives the live state', () => {
    verifies('scheduler.replay_equals_live');
    fc.assert(
      fc.property(steps, fc.nat(), (story, where) => {
        const partition = live(story);
        const cut = 1 + (where % partition.log.length);
        const [replayed, before, after] = [emptyModel(), emptyModel(), emptyModel()];
        for (const { commit, events } of partition.log) {
          for (const [index, event] of events.entries()) {
            replayed.evolve(event, { commit, index });
            (commit <= cut ? before : after).evolve(event, { commit, index });
          }
          if (commit === cut) after.restore(state(before));
        }
        expect(state(replayed)).toEqual(state(partition.model));
        expect(state(after)).toEqual(state(partition.model));
      }),
      { numRuns: 300 },
    );
  });

  test('the journal that a worker would get agrees with the index, and holds no command twice', () => {
    fc.assert(
      fc.property(steps, (story) => {
        const partition = live(story);
        for (const id of ids) {
          const record = partition.run(id);
          const journal = journalOf(partition.eventsOf(id));
          const outcomes = (journal?.entries ?? []).filter(({ outcome }) => outcome.type !== 'accepted');
          const keys = outcomes.map(({ name: of, occurrence }) => `${of}/${occurrence}`);
          expect(new Set(keys).size).toBe(keys.length);
          if (record.ended || record.cancel?.stopped) continue;
          const facts = ({ kind, name: of, occurrence, trying }: Open) => {
            const { failures, exhausted } = trying ?? {};
            return { kind, of, occurrence, failures, exhausted };
          };
          expect(journal?.pending.map(facts)).toEqual(record.opens.map(facts));
          expect(record.done).toHaveLength(keys.filter((each) => each !== 'cancel/1').length);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('how many runs are in each state is known without looking at them', () => {
    fc.assert(
      fc.property(steps, (story) => {
        const { index } = live(story).model;
        for (const state of ['queued', 'running', 'waiting'] as const)
          expect(index.states[state]).toBe([...index.all()].filter((run) => run.state === state).length);
      }),
      { numRuns: 100 },
    );
  });

  test('a run that can go on is never taken for one that only waits', () => {
    fc.assert(
      fc.property(steps, (story) => {
        live(story, (partition) => {
          for (const record of partition.model.index.all()) {
            if (record.ended || record.paused || !record.idle || record.cancel?.stopped) continue;
            expect(record.opens.length).toBeGreaterThan(0);
            for (const { kind, on, join } of record.opens) {
              if (join) expect(joinOutcome(record, join)).toBeUndefined();
              if (kind === 'message') expect(record.messages.some(({ message }) => message === on)).toBe(false);
              if (kind === 'result') expect(record.children.find(({ id }) => id === on)?.outcome).toBeUndefined();
            }
          }
        });
      }),
      { numRuns: 300 },
    );
  });

  test('the view has the same rows however the events are cut into batches', () => {
    fc.assert(
      fc.property(steps, fc.array(fc.integer({ min: 1, max: 10 }), { minLength: 1, maxLength: 10 }), (story, sizes) => {
        const { log } = live(story);
        const events = log.flatMap(({ commit, events: all }) =>
          all.map((event, index) => ({
            event,
            position: { service: 'scheduler' as const, partition: 0, commit, index },
          })),
        );
        const whole = projectRuns(events, []);
        const rows = new Map<string, RunRow>();
        for (let from = 0, i = 0; from < events.length; i++) {
          const size = sizes[i % sizes.length] as number;
          const batch = events.slice(from, (from += size));
          const stored = batch.flatMap(({ event }) => rows.get(event.subject) ?? []);
          for (const row of projectRuns(batch, JSON.parse(JSON.stringify([...new Set(stored)])) as RunRow[]))
            rows.set(row.id, row);
        }
        const sorted = (list: Iterable<RunRow>) => [...list].sort((a, b) => (a.id < b.id ? -1 : 1));
        expect(sorted(rows.values())).toEqual(sorted(whole));
      }),
      { numRuns: 200 },
    );
  });
});
