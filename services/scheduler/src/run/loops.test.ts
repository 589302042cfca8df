import { beforeEach, describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import fc from 'fast-check';
import { emptyModel, FakePartition, startOf } from '../testing/fake-partition.js';
import { journalOf } from './journal.js';
import { commitsOf, lastCommitOf } from './loops.js';
import type { WorkerCommand } from './run.commands.js';

let partition: FakePartition;
const begin = () => {
  partition = new FakePartition();
  partition.send('r', startOf('w'));
  partition.assign('r');
};
beforeEach(begin);

const step = (name: string, value: unknown = name): WorkerCommand => ({
  type: 'completed', kind: 'step', name, occurrence: 1, content: { value: value as string },
}); // prettier-ignore
const wait = (name: string, message: string): WorkerCommand => ({ type: 'wait', kind: 'message', name, occurrence: 1, message }); // prettier-ignore
const child = (name: string, id: string): WorkerCommand => ({
  type: 'child', kind: 'child', name, occurrence: 1, child: id, workflow: 'c', input: {}, attach: true, cancelWithParent: false,
}); // prettier-ignore
const loop = (turn: number, name = 'loop'): WorkerCommand => ({
  type: 'loop', kind: 'loop', name, occurrence: 1, turn, content: { value: { turn } },
}); // prettier-ignore
function report(...commands: WorkerCommand[]): string[] {
  const run = partition.run('r');
  const live = run.live ?? partition.assign('r');
  const items = [{ run: 'r', attempt: live.token, commands, idle: false, entries: live.entries }];
  return partition.send('r', { type: 'report', session: 'ses', items }).map(([type]) => type);
}
const message = (name: string, value: number) =>
  partition.send('r', { type: 'message', message: name, content: { value } });

/** The journal as it is read: whole commits, and only those that the index names. */
function rebuilt() {
  const wanted = new Set(commitsOf(partition.run('r')));
  return journalOf(partition.log.flatMap(({ commit, events }) => (wanted.has(commit) ? events : [])));
}
const names = () => rebuilt()?.entries.map(({ name, outcome }) => `${name} ${outcome.type}`);

describe('a loop that begins a generation', () => {
  test('forgets its turns, and nothing else of the run', () => {
    report(step('before'), wait('other', 'n'));
    report(step('loop[1]/a'), step('loop[1]/b'));
    message('n', 1);
    report(step('loop[2]/a'), step('beside'));
    expect(report(loop(3), step('loop[3]/a'))).toEqual(['continued', 'step_completed']);
    expect(names()).toEqual(['before own', 'other completed', 'beside own', 'loop loop', 'loop[3]/a own']);
    expect(partition.run('r')).toMatchObject({ opens: [], state: 'running', paused: false });
  });

  test('costs the same however old it is', () => {
    verifies('scheduler.generations_bounded');
    report(step('before'));
    const size = () => JSON.stringify(partition.model.snapshot()).length;
    const round = (turn: number) => {
      message('m', turn);
      report(wait(`loop[${turn}]/m`, 'm'), step(`loop[${turn}]/a`), child(`loop[${turn}]/c`, `c${turn}`));
      partition.send('r', { type: 'child_started', name: `loop[${turn}]/c`, occurrence: 1, child: `c${turn}` });
      partition.send('r', { type: 'child_ended', outcome: { child: `c${turn}`, state: 'succeeded' } });
      report(loop(turn + 1));
    };
    for (let turn = 1; turn <= 10; turn++) round(turn);
    const young = size();
    for (let turn = 11; turn <= 300; turn++) round(turn);
    expect(size() - young).toBeLessThan(60); // longer numbers
    expect(commitsOf(partition.run('r')).length).toBeLessThan(5);
    expect(lastCommitOf(partition.run('r'))).toBe(partition.log.length);
  });

  test('keeps the messages that nobody has taken, also where one of the same commit was', () => {
    for (const value of [1, 2, 3]) message('m', value);
    report(wait('loop[1]/m', 'm'));
    report(loop(2), step('loop[2]/a'));
    message('m', 4);
    report(wait('loop[2]/m', 'm'));
    report(loop(3));
    expect(partition.run('r').messages.map(({ content }) => content.value)).toEqual([3, 4]);
    report(wait('loop[3]/m', 'm'));
    expect(rebuilt()?.entries.at(-1)).toMatchObject({ name: 'loop[3]/m', outcome: { content: { value: 3 } } });
    expect(partition.run('r').messages).toHaveLength(1);
  });

  test('keeps its children that go on, and one that is asked for again tells its end again', () => {
    report(child('loop[1]/c', 'c1'), child('loop[1]/d', 'c2'));
    for (const [name, id] of [['loop[1]/c', 'c1'], ['loop[1]/d', 'c2']] as const)
      partition.send('r', { type: 'child_started', name, occurrence: 1, child: id }); // prettier-ignore
    partition.send('r', { type: 'child_ended', outcome: { child: 'c1', state: 'succeeded', value: 1 } });
    report(loop(2));
    expect(partition.run('r').children.map(({ id }) => id)).toEqual(['c2']);
    partition.send('r', { type: 'child_ended', outcome: { child: 'c2', state: 'succeeded', value: 2 } });
    report(child('loop[2]/d', 'c2'));
    partition.send('r', { type: 'child_started', name: 'loop[2]/d', occurrence: 1, child: 'c2' });
    report({ type: 'result', kind: 'result', name: 'loop[2]/d/1/result', occurrence: 1, child: 'c2' });
    partition.send('r', { type: 'child_ended', outcome: { child: 'c2', state: 'succeeded', value: 2 } });
    expect(rebuilt()?.entries.at(-1)).toMatchObject({ kind: 'result', outcome: { content: { value: 2 } } });
    expect(partition.run('r').opens).toEqual([]);
  });

  test('is inside another one, and is forgotten with its turn', () => {
    report(step('loop[1]/a'), step('loop[1]/in[1]/x'));
    report(loop(2, 'loop[1]/in'), step('loop[1]/in[2]/x'));
    expect(names()).toEqual(['loop[1]/a own', 'loop[1]/in loop', 'loop[1]/in[2]/x own']);
    report(loop(2), step('loop[2]/a'));
    expect(names()).toEqual(['loop loop', 'loop[2]/a own']);
    expect(partition.run('r').loops).toHaveLength(1);
  });

  test('does not go back, and leaves nothing lying', () => {
    report(wait('loop[1]/m', 'm'));
    expect(report(loop(2))).toEqual(['paused']);
    begin();
    report(loop(5));
    expect(report(loop(5))).toEqual(['paused']);
  });
});

type Act =
  | { what: 'step' | 'wait' | 'child'; inside: boolean; name: 'm' | 'n' }
  | { what: 'message'; name: 'm' | 'n' }
  | { what: 'ended' }
  | { what: 'turn' };
const name = fc.constantFrom('m' as const, 'n' as const);
const acts: fc.Arbitrary<Act[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ what: fc.constantFrom('step' as const, 'wait' as const, 'child' as const), inside: fc.boolean(), name }) },
    { weight: 3, arbitrary: fc.record({ what: fc.constant('message' as const), name }) },
    { weight: 3, arbitrary: fc.record({ what: fc.constantFrom('ended' as const, 'turn' as const) }) },
  ),
  { maxLength: 80 },
); // prettier-ignore

/** Messages `m` go to the loop, `n` to what stands beside it: one name in both at a time is refused by the SDK. */
function live(story: readonly Act[]): void {
  begin();
  let [turn, count, sent] = [1, 0, 0];
  for (const act of story) {
    const at = `${++count}`;
    if (act.what === 'message') message(act.name, ++sent);
    else if (act.what === 'turn') {
      if (!partition.run('r').opens.some((open) => open.name.startsWith('loop['))) report(loop(++turn));
    } else if (act.what === 'ended') {
      const open = partition.run('r').children.find(({ outcome }) => !outcome);
      if (open) partition.send('r', { type: 'child_ended', outcome: { child: open.id, state: 'succeeded' } });
    } else {
      const where = act.inside ? `loop[${turn}]/` : '';
      if (act.what === 'step') report(step(`${where}s${at}`));
      else if (act.what === 'wait') report(wait(`${where}w${at}`, act.inside ? 'm' : 'n'), step(`${where}t${at}`));
      else {
        report(child(`${where}c${at}`, `c${at}`));
        partition.send('r', { type: 'child_started', name: `${where}c${at}`, occurrence: 1, child: `c${at}` });
      }
    }
  }
}

test('what is read of a run with a loop is what happened in it, less the turns that are over', () => {
  fc.assert(
    fc.property(acts, (story) => {
      live(story);
      const all = partition.eventsOf('r');
      const last = all.findLastIndex(({ type }) => type === 'run.continued.v1');
      const before = new Set(all.slice(0, Math.max(last, 0)).map(({ data }) => (data as { name?: string }).name));
      const whole = emptyModel();
      whole.index.noting = true;
      for (const { commit, events } of partition.log)
        for (const [index, event] of events.entries()) {
          whole.evolve(event, { commit, index });
          const run = whole.index.get(event.tenant, 'r');
          if (run) run.live ??= partition.run('r').live;
        }
      const expected = whole.index.notes
        .flatMap((note) => (note.type === 'entry' ? [note.entry] : []))
        .filter((entry, at, entries) =>
          entry.kind === 'loop'
            ? entries.findLastIndex(({ kind }) => kind === 'loop') === at
            : !(entry.name.startsWith('loop[') && before.has(entry.name)),
        );
      expect(rebuilt()?.entries).toEqual(expected);
      expect(rebuilt()?.pending).toEqual(partition.run('r').opens);
    }),
    { numRuns: 300 },
  );
});
