import type { WorkflowDefinition } from '../define/workflow.js';
import { Attempts } from './attempts.js';
import { systemTimers, type Effects } from './effects.js';
import { RunExecutor } from './executor.js';
import { keyText, type Activation, type Divergence, type RecordedEnd, type RunEnd } from './record.js';
import { diffOf, endStep, sameValue } from './replay.js';
import { restUntil } from './rest.js';
import { RunScope } from './scope.js';
import { runToEnd } from './workflow-run.js';

/** What re-executing a run from its record alone found. */
export interface Rehearsal {
  readonly same: boolean;
  readonly firstDifference?: Divergence;
  /** Entries of the journal that were matched. */
  readonly entries: number;
  /** Steps or calls that were really performed: none, because the executor never goes live. */
  readonly liveCalls: number;
}

const never = () => {
  throw new Error('a strict replay performed something'); // counted below; that it cannot happen is what the tests check
};

/**
 * Runs the code of a workflow again on nothing but its record: every promise settles by the journal, nothing is performed, logs are silent.
 * @param end how the run ended; undefined where it goes on, and then it must have come to rest with exactly its pending commands open.
 *   What was terminated must have come to what was open then; what it would have done next is in no record.
 */
export async function rehearse(
  definition: WorkflowDefinition,
  activation: Activation,
  end: RecordedEnd | undefined,
): Promise<Rehearsal> {
  const copy = copyOf(definition, { ...activation, ended: end !== undefined });
  const firstDifference = (await copy.rehearse()) ?? (await atTheEnd(copy.executor, activation, end));
  const entries = firstDifference?.position ?? activation.journal.length;
  const liveCalls = copy.liveCalls();
  return { same: firstDifference === undefined, ...(firstDifference ? { firstDifference } : {}), entries, liveCalls };
}

/** A run that is executed from nothing but its record. */
export function copyOf(definition: WorkflowDefinition, activation: Activation) {
  let liveCalls = 0;
  const effects = new Proxy({} as Effects, {
    get: () => () => {
      liveCalls++;
      return never();
    },
  });
  const performer = { runId: activation.runId, life: activation.runId, timers: systemTimers, log: never, spend: never };
  const executor = new RunExecutor(activation, { report: () => {} }, new Attempts(0), performer);
  const scope = new RunScope(definition, executor, effects, () => {});
  return { executor, rehearse: () => executor.rehearse(() => runToEnd(scope)), liveCalls: () => liveCalls };
}

async function atTheEnd(
  executor: RunExecutor,
  activation: Activation,
  end: RecordedEnd | undefined,
): Promise<Divergence | undefined> {
  // The function was on its way from here, wherever that leads: nothing stands open, or nobody waited for it.
  if (end?.type === 'terminated' || (!end && activation.pending.length === 0)) return undefined;
  const position = activation.journal.length;
  if (end) await restUntil(() => executor.end !== undefined);
  const pending = new Set(activation.pending.map(keyText));
  const beyond = executor.open().find((slot) => !pending.has(slot.key) && !isOwnWork(slot.kind, end));
  if (!end && !executor.end && !beyond) return undefined;
  if (end && executor.end && sameEnd(end, executor.end)) return undefined;
  const expected = end && endStep(end);
  const actual = executor.end
    ? endStep(executor.end)
    : beyond && { kind: beyond.kind, name: beyond.name, occurrence: beyond.occurrence };
  return {
    position,
    ...(expected ? { expected } : {}),
    ...(actual ? { actual } : {}),
    diff: diffOf(activation.journal, expected, actual, []),
    text: `the record ${end ? `ends: ${expected?.detail}` : 'waits here'}; the code ${actual ? `came to ${actual.kind} '${actual.name}' ${actual.detail ?? ''}`.trim() : 'waits for something else'}`,
  };
}

/** A step that is under way is in no record yet; in a run that goes on it is no difference. */
const isOwnWork = (kind: string, end: RunEnd | undefined) =>
  !end && (kind === 'step' || kind === 'call' || kind === 'patch' || kind === 'set' || kind === 'loop');

function sameEnd(recorded: RunEnd, actual: RunEnd): boolean {
  if (recorded.type === 'completed' && actual.type === 'completed') return sameValue(recorded.value, actual.value);
  if (recorded.type === 'failed' && actual.type === 'failed')
    return recorded.error.code === actual.error.code && recorded.error.message === actual.error.message;
  return recorded.type === actual.type;
}
