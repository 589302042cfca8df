import { WritError } from '../errors/errors.js';
import { keyText, type Bytes, type Entry, type Key } from '../run/record.js';
import type { TestScheduler } from './scheduler.js';
import { TestRun } from './test-run.js';

/** `charge/2`, or `charge` for the first of that name. */
function keyOf(step: string): string {
  const [, name = step, occurrence = '1'] = /^(.+)\/(\d+)$/s.exec(step.replace(/^(step|call) /, '')) ?? [];
  return keyText({ name, occurrence: Number(occurrence) });
}

function position(journal: readonly Key[], step: string): number {
  const at = journal.findIndex((entry) => keyText(entry) === keyOf(step));
  if (at < 0) throw new WritError(`nothing is recorded of ${step}`, { code: 'run.no_such_step' });
  return at;
}

/** A new life of a run, from a step on; what came true before it is kept, messages are there again. @returns the effects that are done anew */
export function restartFrom(scheduler: TestScheduler, id: string, from: string, reason: string): string[] {
  const run = scheduler.run(id);
  if (!run.end && !run.paused && ![...run.open.values()].some(({ exhausted }) => exhausted))
    throw new WritError(`run ${id} goes on: pause or cancel it first`, { code: 'run.not_restartable' });
  const at = position(run.journal, from);
  const left = run.journal.slice(at);
  const dropped = left.filter(({ kind }) => kind === 'step' || kind === 'call').map(nameOf);
  scheduler.record(run, 'run.restarted.v1', { from, ...(reason === '' ? {} : { reason }), dropped });
  const restarts = run.restarts + 1;
  const next = goOn(scheduler, run, { id, input: run.input, restarts }, at);
  next.events.push(...run.events);
  next.messages.push(...left.flatMap(messageOf), ...run.messages);
  next.children.push(...run.children);
  begin(scheduler, next, { restarts });
  run.wake();
  return dropped;
}

const nameOf = ({ kind, name, occurrence }: Key) => `${kind} ${name}/${occurrence}`;

function messageOf({ kind, name, outcome }: Entry) {
  return kind === 'message' && outcome.type === 'completed' ? [{ name, data: outcome.value }] : [];
}

/** A run that begins with the record of another one. */
export function forkOf(
  scheduler: TestScheduler,
  { run: of, after }: { run: string; after?: string },
  { id, workflow, input }: { id: string; workflow: string; input: Bytes },
): TestRun {
  const there = scheduler.runs.get(id);
  if (there) throw new WritError(`a run '${id}' exists already`, { code: 'run.conflict' });
  const run = scheduler.run(of);
  if (run.workflow !== workflow)
    throw new WritError(`run ${of} is of the workflow ${run.workflow}`, { code: 'run.bad_input' });
  const at = after === undefined ? run.journal.length : position(run.journal, after) + 1;
  const next = goOn(scheduler, run, { id: id || scheduler.newId('run'), input: input ?? run.input, restarts: 0 }, at);
  begin(scheduler, next, {});
  return next;
}

function goOn(
  scheduler: TestScheduler,
  run: TestRun,
  as: { id: string; input: Bytes; restarts: number },
  entries: number,
): TestRun {
  const kept = run.kept.filter((each) => each.entries < entries);
  const next = new TestRun({ ...as, workflow: run.workflow, queue: run.queue }, run.startedAtMs);
  next.kept.push(...kept, { life: run.life, entries, untilMs: scheduler.now() });
  next.journal.push(...run.journal.slice(0, entries));
  return next;
}

function begin(scheduler: TestScheduler, run: TestRun, more: object): void {
  scheduler.runs.set(run.id, run);
  scheduler.record(run, 'run.started.v1', { workflow: run.workflow, queue: run.queue, ...more });
  scheduler.restart(run);
}
