import { keyOf, recordedKind } from './command-key.js';
import type { CommandKind, RunEventData } from './run.events.js';
import { added, extended, noneOf, type RunRecord } from './run-record.js';

/** What happened in a loop since its last generation began. When the next begins it is forgotten here, and stays in the ledger. */
export interface Loop {
  /** In front of the names of what its turns ask for: `loop[`. */
  readonly prefix: string;
  /** With which its generation began; 0 for the first one, which began with the loop. */
  turn: number;
  commits: number[];
  done: number[];
}

/** `loop#2[` of `loop#2[17]/model`: the innermost loop whose turn asked for it. */
function prefixOf(name: string): string | undefined {
  const end = name.lastIndexOf(']/');
  return end < 0 ? undefined : name.slice(0, name.lastIndexOf('[', end) + 1);
}

/** In front of the names of what is asked for in a loop. */
export function loopPrefix({ name, occurrence }: { name: string; occurrence: number }): string {
  return occurrence === 1 ? `${name}[` : `${name}#${occurrence}[`;
}

/** The loop with this prefix, if the run has one. */
export function loopAt({ loops }: RunRecord, prefix: string | undefined): Loop | undefined {
  return prefix === undefined ? undefined : loops.find((loop) => loop.prefix === prefix);
}

function loopOf(run: RunRecord, name: string | undefined): Loop | undefined {
  const prefix = name === undefined ? undefined : prefixOf(name);
  if (prefix === undefined) return undefined;
  return loopAt(run, prefix) ?? begun(run, { prefix, turn: 0, commits: [], done: [] });
}

function begun(run: RunRecord, loop: Loop): Loop {
  run.loops = added(run.loops, loop);
  return loop;
}

/** Notes which commit has an event: with the loop that it belongs to by the name of its command, else with the run. */
export function file(run: RunRecord, commit: number, name: string | undefined): void {
  const loop = loopOf(run, name);
  const { commits } = loop ?? run;
  if (commits[commits.length - 1] === commit) return;
  if (loop) commits.push(commit);
  else run.commits = extended(commits, commit);
}

/** Notes that a command has its outcome. */
export function recorded(run: RunRecord, kind: CommandKind, name: string, occurrence: number): void {
  const key = keyOf(kind, name, occurrence);
  const loop = loopOf(run, name);
  if (loop) loop.done.push(key);
  else run.done = added(run.done, key);
}

/** The kind of the command with this name and occurrence that has its outcome, as far as the run remembers. */
export function kindRecorded(run: RunRecord, name: string, occurrence: number): CommandKind | undefined {
  const prefix = run.loops.length === 0 ? undefined : prefixOf(name);
  const done = prefix === undefined ? run.done : (loopAt(run, prefix)?.done ?? noneOf());
  return recordedKind(done, keyOf('step', name, occurrence));
}

/** Commits with all that has to be read to rebuild the run, ascending. */
export function commitsOf(run: RunRecord): number[] {
  const { commits, loops, messages } = run;
  if (loops.length === 0) return [...commits];
  const all = new Set(commits);
  for (const loop of loops) for (const commit of loop.commits) all.add(commit);
  for (const { commit } of messages) all.add(commit);
  return [...all].sort((a, b) => a - b);
}

/** The commit of its last event. */
export function lastCommitOf(run: RunRecord): number {
  const { commits, loops } = run;
  let last = commits[commits.length - 1] as number;
  if (loops.length === 0) return last;
  for (const loop of loops) for (const commit of loop.commits.slice(-1)) last = Math.max(last, commit);
  for (const { commit } of run.messages.slice(-1)) last = Math.max(last, commit);
  return last;
}

/** A loop begins a generation: what its turns did before is forgotten, and with it the children of theirs that have ended. */
export function beginGeneration(run: RunRecord, data: RunEventData<'run.continued.v1'>, commit: number): void {
  const prefix = loopPrefix(data);
  const within = (name: string | undefined) => name?.startsWith(prefix) === true;
  const others = run.loops.filter((loop) => !within(loop.prefix));
  run.loops = [...others, { prefix, turn: data.turn, commits: [commit], done: [] }];
  if (run.opens.some(({ name }) => within(name))) run.opens = orNone(run.opens.filter(({ name }) => !within(name)));
  if (run.children.length > 0)
    run.children = orNone(run.children.filter(({ by, outcome }) => outcome === undefined || !within(by)));
  if (run.messages.length > 0) run.messages = orNone(newest(run.messages, data.buffered ?? {}));
}

/** So many of each name, the last: in a journal there may be others, whose takers are forgotten. */
function newest<T extends { message: string }>(
  messages: readonly T[],
  buffered: Readonly<Record<string, number>>,
): T[] {
  const left = new Map(Object.entries(buffered));
  const kept: T[] = [];
  for (const message of [...messages].reverse()) {
    const more = left.get(message.message) ?? 0;
    left.set(message.message, more - 1);
    if (more > 0) kept.push(message);
  }
  return kept.reverse();
}

function orNone<T>(list: T[]): T[] {
  return list.length > 0 ? list : noneOf();
}
