import { createHash, webcrypto } from 'node:crypto';
import { bytesFrom, bytesTo } from '../codec/base64.js';
import { WritError } from '../errors/errors.js';

/** What a C2SP checkpoint (https://c2sp.org/tlog-checkpoint) states: how large the log of this origin is, and its root. */
export interface Checkpoint {
  readonly origin: string;
  readonly size: bigint;
  readonly root: Uint8Array;
}

interface VerifierKey {
  readonly name: string;
  readonly id: string;
  readonly publicKey: Uint8Array;
}

const ed25519 = 0x01;

const broken = (code: string, message: string, details: Record<string, unknown> = {}) =>
  new WritError(message, { code: `proof.${code}`, details });

/** A verifier key as C2SP signed notes write it: `<name>+<hex key id>+<base64 of 0x01 and the Ed25519 public key>`. */
function verifierKey(text: string): VerifierKey {
  const [, name, id, encoded] = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text.trim()) ?? [];
  const key = bytesFrom(encoded ?? '');
  if (name === undefined || id === undefined || key.length !== 33 || key[0] !== ed25519)
    throw broken('bad_key', `'${text}' is not an Ed25519 verifier key: '<name>+<key id>+<base64>'`);
  if (keyId(name, key) !== id) throw broken('bad_key', `the key id of '${text}' is not the one of its name and key`);
  return { name, id, publicKey: key.slice(1) };
}

/** The first four bytes of SHA-256(name || '\n' || type and key), in hex. */
function keyId(name: string, typedKey: Uint8Array): string {
  return createHash('sha256').update(`${name}\n`).update(typedKey).digest('hex').slice(0, 8);
}

/** The verifier key text of a raw Ed25519 public key; what `writ audit` prints and `verify` takes. */
export function formatVerifierKey(name: string, publicKey: Uint8Array): string {
  const typed = Uint8Array.of(ed25519, ...publicKey);
  return `${name}+${keyId(name, typed)}+${bytesTo(typed)}`;
}

async function signedBy(key: VerifierKey, text: string, signatures: readonly string[]): Promise<boolean> {
  const imported = await webcrypto.subtle.importKey('raw', Uint8Array.from(key.publicKey), 'Ed25519', false, [
    'verify',
  ]);
  for (const line of signatures) {
    const [, name, encoded] = /^\u2014 (\S+) (\S+)$/.exec(line) ?? [];
    const bytes = bytesFrom(encoded ?? '');
    if (name !== key.name || Buffer.from(bytes.slice(0, 4)).toString('hex') !== key.id) continue;
    if (await webcrypto.subtle.verify('Ed25519', imported, bytes.slice(4), new TextEncoder().encode(text))) return true;
  }
  return false;
}

/**
 * The checkpoint of a signed note (https://c2sp.org/signed-note), whose signatures of the log and of every witness hold.
 *
 *     writ.example/log\n
 *     20852163\n
 *     CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n
 *     \n
 *     — writ.example/log Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n
 *
 * @throws WritError `proof.bad_key`, `proof.bad_checkpoint`, `proof.bad_signature`
 */
export async function openCheckpoint(
  note: string,
  keys: { log: string; witnesses?: readonly string[] },
): Promise<Checkpoint> {
  const end = note.lastIndexOf('\n\n');
  if (end < 0 || !note.endsWith('\n'))
    throw broken('bad_checkpoint', 'the checkpoint is not a signed note: no blank line');
  const text = note.slice(0, end + 1);
  const signatures = note.slice(end + 2, -1).split('\n');
  for (const key of [keys.log, ...(keys.witnesses ?? [])].map(verifierKey))
    if (!(await signedBy(key, text, signatures)))
      throw broken('bad_signature', `the checkpoint carries no valid signature of ${key.name}+${key.id}`, {
        key: key.name,
      });
  const [origin, size, root] = text.split('\n');
  if (!origin || !/^(0|[1-9]\d*)$/.test(size ?? '') || bytesFrom(root ?? '').length !== 32)
    throw broken('bad_checkpoint', 'the checkpoint does not state origin, size and root');
  return { origin, size: BigInt(size ?? 0), root: bytesFrom(root ?? '') };
}
