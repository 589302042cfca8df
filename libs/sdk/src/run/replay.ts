import { decodeBytes } from '../codec/codec.js';
import {
  keyText,
  type Activation,
  type Divergence,
  type DivergentStep,
  type Entry,
  type Key,
  type RunEnd,
} from './record.js';
import { rest, restUntil } from './rest.js';
import { callOfApproval, type Slot } from './slot.js';

/** What feeding needs of an executor. */
export interface Fed {
  silent: boolean;
  readonly end: RunEnd | undefined;
  slot(key: string): Slot | undefined;
  open(): Slot[];
  settle(entry: Entry): void;
  readonly handlers: { has(update: string): boolean } | undefined;
}

/**
 * Feeds a function the journal of its run, entry by entry, each when the function has come to rest, and checks that it has asked for exactly what is
 * recorded. Gives the first place where it has not; the rest of the journal is then not fed.
 */
export async function feed(run: Fed, { journal, pending, ended }: Activation): Promise<Divergence | undefined> {
  for (const [position, entry] of journal.entries()) {
    if (!(await asksFor(run, entry))) return divergence(run, entry, position, journal);
    // With nothing pending the function was lost on the way from here: what it says next was not said before, or not heard.
    if (position === journal.length - 1 && pending.length === 0 && !ended) run.silent = false;
    run.settle(entry);
    await rest();
  }
  for (const each of pending) if (!(await asksFor(run, each))) return divergence(run, each, journal.length, journal);
  return undefined;
}

async function asksFor(run: Fed, key: Key & Partial<Entry>): Promise<boolean> {
  if (key.kind === 'cancel' || key.kind === 'patch') return true;
  if (key.kind === 'update') return handles(run, key);
  const call = key.kind === 'approval' ? callOfApproval(key.name) : undefined;
  const wanted = call ?? keyText(key);
  await restUntil(() => run.slot(wanted) !== undefined || run.end !== undefined);
  return run.slot(wanted)?.kind === (call === undefined ? key.kind : 'call');
}

/** An update comes from outside: the code must be there that handles it, and come to its answer where the record does. */
async function handles(run: Fed, { outcome, ...key }: Key & Partial<Entry>): Promise<boolean> {
  if (outcome?.type === 'accepted') return restUntil(() => run.handlers?.has(outcome.update) === true);
  const slot = run.slot(keyText(key));
  return outcome ? restUntil(() => slot?.answer !== undefined) : slot !== undefined;
}

function divergence(run: Fed, expected: Key, position: number, journal: readonly Key[]): Divergence {
  const later = journal.slice(position + 1);
  const actual = actualStep(run, expected, new Set(later.map(keyText)));
  const recorded = expectedStep(expected);
  const diff = diffOf(journal.slice(0, position), recorded, actual, later);
  return { position, expected: recorded, ...(actual ? { actual } : {}), text: sentence(recorded, actual), diff };
}

/** Lines of context on each side. */
const context = 3;

/** The place of a difference for people: `-` what only the record has, `+` what only the code asked for. */
export function diffOf(
  before: readonly Key[],
  recorded: DivergentStep | undefined,
  actual: DivergentStep | undefined,
  later: readonly Key[],
): string {
  const more = (count: number, where: string) => (count > 0 ? [`  … ${count} more ${where}`] : []);
  return [
    ...more(before.length - context, 'before'),
    ...before.slice(-context).map((key) => `  ${words(key)}`),
    `- ${words(recorded)}`,
    `+ ${words(actual)}`,
    ...later.slice(0, context).map((key) => `  ${words(key)} (recorded, not reached)`),
    ...more(later.length - context, 'recorded, not reached'),
  ].join('\n');
}

function expectedStep(entry: Key & Partial<Entry>): DivergentStep {
  const { kind, name, occurrence, outcome } = entry;
  const detail = outcome?.type === 'completed' ? abbreviated(outcome.value) : outcome?.type;
  return { kind, name, occurrence, ...(detail === undefined ? {} : { detail }) };
}

/** What the code asked for in its place: that key as another kind, else the first command that nothing in the record answers, else its end. */
function actualStep(run: Fed, expected: Key, later: ReadonlySet<string>): DivergentStep | undefined {
  const slot = run.slot(keyText(expected)) ?? run.open().find((each) => !later.has(each.key));
  if (slot) return { kind: slot.kind, name: slot.name, occurrence: slot.occurrence };
  return run.end && endStep(run.end);
}

/** The end of a run, in the shape of a step. */
export function endStep(end: RunEnd): DivergentStep {
  const detail =
    end.type === 'completed'
      ? `returned ${abbreviated(end.value)}`
      : end.type === 'failed'
        ? `failed: ${end.error.code}: ${end.error.message}`
        : end.type;
  return { kind: 'result', name: 'end', occurrence: 1, detail };
}

function abbreviated(bytes: Uint8Array | undefined): string {
  const text = bytes === undefined ? 'undefined' : new TextDecoder().decode(bytes);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

function words(step: DivergentStep | undefined): string {
  if (!step) return 'nothing more';
  if (step.name !== 'end') return `${step.kind} '${step.name}' #${step.occurrence}`;
  return step.detail === undefined ? 'its end' : `its end: ${step.detail}`;
}

function sentence(expected: DivergentStep, actual: DivergentStep | undefined): string {
  return `the record has ${words(expected)} here, the code came to ${words(actual)}`;
}

/** Whether two values are the same as far as they are recorded. */
export function sameValue(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  const text = (bytes: Uint8Array | undefined) =>
    bytes === undefined
      ? ''
      : canonical(decodeBytes(bytes) === undefined ? undefined : JSON.parse(new TextDecoder().decode(bytes)));
  return text(a) === text(b);
}

/** JSON with sorted keys: a scheduler may have stored the value in a form that does not keep their order. */
function canonical(value: unknown): string {
  return (
    JSON.stringify(value, (_, each: unknown) =>
      typeof each === 'object' && each !== null && !Array.isArray(each)
        ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
        : each,
    ) ?? ''
  );
}
