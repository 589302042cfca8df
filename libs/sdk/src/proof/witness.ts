import { WritError } from '../errors/errors.js';
import { extendsTree } from './consistency.js';
import { openCheckpoint, type Checkpoint } from './note.js';

/** What a witness found: how the log went on since the checkpoint that it kept, or how it contradicts it. */
export type Witnessed =
  | { ok: true; from: bigint; to: bigint }
  | {
      ok: false;
      /** `proof.rolled_back`: the log is shorter than it was. `proof.forked`: it is another one. Or what is wrong with a note. */
      error: WritError;
    };

/**
 * Checks that a log has only grown since a checkpoint that was kept outside of it: the one way to notice that a whole
 * installation, audit and all, was set back. Never throws.
 *
 * @param kept the signed note that was kept
 * @param now the one that the log shows today
 * @param proofOf asks the log for the consistency proof between two sizes (RFC 6962 section 2.1.2)
 */
export async function witness(
  kept: string,
  now: string,
  log: string,
  proofOf: (from: bigint, to: bigint) => Promise<readonly Uint8Array[]>,
): Promise<Witnessed> {
  try {
    const [before, after] = await Promise.all([openCheckpoint(kept, { log }), openCheckpoint(now, { log })]);
    if (after.size < before.size)
      throw new WritError(
        `the log was set back: it has ${after.size} leaves, and it has signed a checkpoint of ${before.size}`,
        { code: 'proof.rolled_back', details: sizes(before, after) },
      );
    const proof = before.size === after.size || before.size === 0n ? [] : await proofOf(before.size, after.size);
    if (!extendsTree(before, after, proof))
      throw new WritError(
        `the log is another one: its ${after.size} leaves do not begin with the ${before.size} that it has signed before`,
        { code: 'proof.forked', details: sizes(before, after) },
      );
    return { ok: true, from: before.size, to: after.size };
  } catch (error) {
    if (WritError.is(error)) return { ok: false, error };
    return { ok: false, error: new WritError('the log gave no proof', { code: 'proof.forked', cause: error }) };
  }
}

const sizes = (before: Checkpoint, after: Checkpoint) => ({ kept: String(before.size), now: String(after.size) });
