import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
  type KeyObject,
} from 'node:crypto';

/** The Ed25519 key that signs checkpoints. */
export interface NoteKey {
  /** Key name, also the origin of the log: `writ.example/ledger`. */
  readonly name: string;
  readonly privateKey: KeyObject;
  /** Verifier key in the note's own form, `<name>+<hash>+<base64(0x01 || public key)>`. */
  readonly verifier: string;
}

const ALGORITHM_ED25519 = 1;
const VERIFIER = /^([^+\s]+)\+([0-9a-f]{8})\+(.+)$/;

/** Reads a key from PKCS #8 PEM, or makes one where there is none. */
export function noteKey(name: string, pem?: string): NoteKey & { readonly pem: string } {
  const privateKey = pem === undefined ? generateKeyPairSync('ed25519').privateKey : createPrivateKey(pem);
  const raw = createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(-32);
  const typed = Buffer.concat([Buffer.of(ALGORITHM_ED25519), raw]);
  return {
    name,
    privateKey,
    verifier: `${name}+${keyHash(name, typed).toString('hex')}+${typed.toString('base64')}`,
    pem: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  };
}

/**
 * A C2SP tlog-checkpoint as a signed note. Its literal bytes:
 *
 *     writ.example/ledger
 *     1234
 *     <base64 of the root>
 *
 *     — writ.example/ledger <base64(key hash || signature)>
 */
export function signCheckpoint(key: NoteKey, size: number, root: Uint8Array): string {
  const text = `${key.name}\n${size}\n${Buffer.from(root).toString('base64')}\n`;
  const hash = Buffer.from(VERIFIER.exec(key.verifier)?.[2] as string, 'hex');
  const signature = Buffer.concat([hash, sign(null, Buffer.from(text), key.privateKey)]);
  return `${text}\n— ${key.name} ${signature.toString('base64')}\n`;
}

/** Size and root of a checkpoint whose signature is right; undefined where it is not. */
export function openCheckpoint(note: string, verifier: string): { size: number; root: Uint8Array } | undefined {
  const at = note.indexOf('\n\n');
  const text = note.slice(0, at + 1);
  const [name, size, root] = text.split('\n');
  const [, keyName, , keyData] = VERIFIER.exec(verifier) ?? [];
  const typed = Buffer.from(keyData ?? '', 'base64');
  if (at < 0 || name !== keyName || typed[0] !== ALGORITHM_ED25519 || typed.length !== 33) return undefined;
  const publicKey = createPublicKey({
    format: 'jwk',
    key: { kty: 'OKP', crv: 'Ed25519', x: typed.subarray(1).toString('base64url') },
  });
  for (const line of note.slice(at + 2).split('\n')) {
    const [mark, signer, encoded] = line.split(' ');
    const signature = Buffer.from(encoded ?? '', 'base64');
    if (mark !== '—' || signer !== keyName || !signature.subarray(0, 4).equals(keyHash(keyName as string, typed)))
      continue;
    if (verify(null, Buffer.from(text), publicKey, signature.subarray(4)))
      return { size: Number(size), root: Buffer.from(root as string, 'base64') };
  }
  return undefined;
}

/** First four bytes of SHA-256(name || 0x0A || algorithm || key), C2SP signed-note. */
function keyHash(name: string, typed: Uint8Array): Buffer {
  return createHash('sha256').update(`${name}\n`).update(typed).digest().subarray(0, 4);
}
