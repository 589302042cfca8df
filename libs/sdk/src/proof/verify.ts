import { bytesFrom } from '../codec/base64.js';
import { WritError } from '../errors/errors.js';
import { ledgerEventOf, type LedgerEvent } from '../client/event.js';
import { leafHash, rootOf } from './merkle.js';
import { openCheckpoint, type Checkpoint } from './note.js';

export { openCheckpoint, type Checkpoint } from './note.js';
export { witness, type Witnessed } from './witness.js';

/** One event of a bundle: the exact NDJSON line of the ledger, its leaf index and its inclusion proof (base64 hashes, leaf to root). */
interface ProvenEvent {
  readonly line: string;
  readonly index: number | string;
  readonly proof: readonly string[];
}

interface Bundle {
  readonly format: 'writ-bundle/1';
  readonly origin: string;
  readonly checkpoint: string;
  readonly events: readonly ProvenEvent[];
}

/** What `verify` answers: the events that are proven to be in the signed log, or what is wrong. */
export type Verified = { ok: true; treeSize: bigint; events: readonly LedgerEvent[] } | { ok: false; error: WritError };

function isBundle(value: unknown): value is Bundle {
  const bundle = value as Partial<Bundle> | null;
  return (
    typeof bundle === 'object' &&
    bundle?.format === 'writ-bundle/1' &&
    typeof bundle.origin === 'string' &&
    typeof bundle.checkpoint === 'string' &&
    Array.isArray(bundle.events) &&
    bundle.events.every((e: Partial<ProvenEvent> | null) => typeof e?.line === 'string' && Array.isArray(e.proof))
  );
}

function parseBundle(bundle: Uint8Array | string): Bundle {
  try {
    const parsed: unknown = JSON.parse(
      typeof bundle === 'string' ? bundle : new TextDecoder('utf-8', { fatal: true }).decode(bundle),
    );
    if (isBundle(parsed)) return parsed;
  } catch (cause) {
    throw new WritError('the bundle is not JSON', { code: 'proof.bad_bundle', cause });
  }
  throw new WritError("the bundle is not of the format 'writ-bundle/1'", { code: 'proof.bad_bundle' });
}

function proven(event: ProvenEvent, checkpoint: Checkpoint): LedgerEvent {
  const leaf = leafHash(new TextEncoder().encode(event.line));
  const root = /^\d+$/.test(String(event.index))
    ? rootOf(leaf, BigInt(event.index), checkpoint.size, event.proof.map(bytesFrom))
    : undefined;
  if (!root || !Buffer.from(root).equals(checkpoint.root))
    throw new WritError(
      `event ${event.index} is not in the log of the checkpoint: its proof does not lead to the signed root`,
      {
        code: 'proof.not_included',
        details: { index: String(event.index) },
      },
    );
  return ledgerEventOf(JSON.parse(event.line));
}

/**
 * Checks an exported proof bundle with no network and no trust in the server: that the checkpoint is signed by `keys.log` (and every witness given),
 * and that each event is a leaf of that tree. Keys are C2SP verifier keys, `<name>+<key id>+<base64>`. Never throws: what is wrong is in `error`,
 * with the codes `proof.bad_bundle`, `proof.bad_key`, `proof.bad_checkpoint`, `proof.bad_signature`, `proof.wrong_origin`, `proof.not_included`.
 */
export async function verify(
  bundle: Uint8Array | string,
  keys: { log: string; witnesses?: readonly string[] },
): Promise<Verified> {
  try {
    const parsed = parseBundle(bundle);
    const checkpoint = await openCheckpoint(parsed.checkpoint, keys);
    if (checkpoint.origin !== parsed.origin)
      throw new WritError(`the checkpoint is of the log '${checkpoint.origin}', the bundle of '${parsed.origin}'`, {
        code: 'proof.wrong_origin',
      });
    return { ok: true, treeSize: checkpoint.size, events: parsed.events.map((event) => proven(event, checkpoint)) };
  } catch (error) {
    if (WritError.is(error)) return { ok: false, error };
    return { ok: false, error: new WritError('the bundle cannot be read', { code: 'proof.bad_bundle', cause: error }) };
  }
}
