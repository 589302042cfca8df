import { failureOf } from '../run/failure.js';
import { keyText, type ChildEnd, type Command, type Key, type Outcome, type Wish } from '../run/record.js';
import { resultOf, type TestEnd, type TestRun } from './test-run.js';

interface Parts {
  run(id: string): TestRun;
  settle(run: TestRun, key: Key, outcome: Outcome): void;
}

/** The wait for one child. */
export async function awaitChild(parts: Parts, run: TestRun, command: Command, id: string): Promise<void> {
  const child = parts.run(id);
  while (!child.end) await child.change();
  if (run.open.has(keyText(command)) && !run.end) parts.settle(run, command, endOf(child.end));
}

/** The wait for several children, which is over once. */
export async function joinChildren(
  parts: Parts,
  run: TestRun,
  command: Command,
  { runIds, need }: Extract<Wish, { type: 'join' }>,
): Promise<void> {
  const children = runIds.map((id) => parts.run(id));
  for (;;) {
    const ends = children.map(({ end }) => end && endOf(end));
    const failed = ends.filter((end) => end?.type === 'failed');
    const succeeded = ends.filter((end) => end?.type === 'completed').length;
    const lost = need > 0 && failed.length > children.length - need ? failed.at(-1) : undefined;
    const over = need > 0 ? succeeded >= need : succeeded + failed.length === children.length;
    if (!run.open.has(keyText(command)) || run.end) return;
    if (lost || over) return parts.settle(run, command, lost ?? { type: 'joined', ends });
    await Promise.race(children.flatMap((child) => (child.end ? [] : [child.change()])));
  }
}

function endOf(end: TestEnd): ChildEnd {
  try {
    return { type: 'completed', value: resultOf(end) };
  } catch (error) {
    return { type: 'failed', error: failureOf(error) };
  }
}
