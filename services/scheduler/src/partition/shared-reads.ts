import { CommitLines } from './commit-lines.js';
import type { ReadCommit } from './history.js';

/** What a batch of starts wrote is one commit: its runs are often rebuilt together, and each would read all of it again. */
const KEPT_BYTES = 8 * 1024 * 1024;
/** Reads under way. Thousands at once keep the broker from storing what is written meanwhile, and time out in the end. */
const AT_ONCE = 64;

/** Reads each commit once for all who ask for it at the same time or soon after, and few at a time. A commit never changes. */
export function sharedReads(
  read: ReadCommit,
  { atOnce = AT_ONCE, keptBytes = KEPT_BYTES } = {},
): (partition: number, commit: number) => Promise<CommitLines | undefined> {
  const bodies = new Map<string, Promise<CommitLines | undefined>>();
  /** Of those that are there, oldest first. */
  const sizes = new Map<string, number>();
  const inLine: (() => void)[] = [];
  let [bytes, underWay] = [0, 0];

  const keep = (key: string, size: number): void => {
    sizes.set(key, size);
    bytes += size;
    for (const [oldest, freed] of sizes) {
      if (bytes <= keptBytes) return;
      sizes.delete(oldest);
      bodies.delete(oldest);
      bytes -= freed;
    }
  };
  const inTurn = async (partition: number, commit: number) => {
    if (underWay >= atOnce) await new Promise<void>((resolve) => inLine.push(resolve));
    else underWay++;
    try {
      const body = await read(partition, commit);
      return body && new CommitLines(body);
    } finally {
      const next = inLine.shift(); // who is next takes this place
      if (next) next();
      else underWay--;
    }
  };
  return (partition, commit) => {
    const key = `${partition}.${commit}`;
    const found = bodies.get(key);
    if (found) return found;
    const body = inTurn(partition, commit);
    bodies.set(key, body);
    body.then(
      (stored) => (stored ? keep(key, stored.bytes) : bodies.delete(key)),
      () => bodies.delete(key), // the next one tries again
    );
    return body;
  };
}
