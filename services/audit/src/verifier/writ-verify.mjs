#!/usr/bin/env node
/**
 * Checks an exported bundle offline. One file, no dependency, nothing of Writ's: read it before you trust it.
 *
 *     node writ-verify.mjs bundle.json --key '<name>+<hash>+<key>' [--json]
 *
 * It checks the Ed25519 signature of the checkpoint (C2SP signed-note, tlog-checkpoint) and, for every event, that the
 * hash of its exact line is in the signed tree (RFC 6962 section 2.1, proof as in RFC 9162 section 2.1.3.2).
 * Exit code: 0 verified, 1 unusable input, 10 something does not verify.
 */
import { createHash, createPublicKey, verify } from 'node:crypto';
import { readFileSync, realpathSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest();
const LEAF = Buffer.of(0);
const NODE = Buffer.of(1);

/** `{size, root}` of a checkpoint, or a reason why it is not to be believed. */
function openCheckpoint(note, key) {
  const [, name, hash, data] = /^([^+\s]+)\+([0-9a-f]{8})\+(.+)$/.exec(key) ?? [];
  const typed = Buffer.from(data ?? '', 'base64');
  if (typed.length !== 33 || typed[0] !== 1) return { why: 'the key is not an Ed25519 verifier key' };
  if (sha256(`${name}\n`, typed).subarray(0, 4).toString('hex') !== hash)
    return { why: 'the key does not match its own hash' };
  const end = note.indexOf('\n\n');
  const text = note.slice(0, end + 1);
  const [origin, size, root] = text.split('\n');
  if (end < 0 || origin !== name) return { why: `the checkpoint is of "${origin}", the key of "${name}"` };
  const publicKey = createPublicKey({
    format: 'jwk',
    key: { kty: 'OKP', crv: 'Ed25519', x: typed.subarray(1).toString('base64url') },
  });
  for (const line of note.slice(end + 2).split('\n')) {
    const [mark, signer, encoded] = line.split(' ');
    const signature = Buffer.from(encoded ?? '', 'base64');
    if (mark !== '—' || signer !== name || signature.subarray(0, 4).toString('hex') !== hash) continue;
    if (verify(null, Buffer.from(text), publicKey, signature.subarray(4)))
      return { size: Number(size), root: Buffer.from(root, 'base64') };
  }
  return { why: 'no signature of that key is right' };
}

/** The root that a leaf and its audit path lead to, or undefined where the path has the wrong length. */
function rootOf(index, size, line, proof) {
  let [fn, sn] = [BigInt(index), BigInt(size) - 1n];
  if (fn > sn || fn < 0n) return undefined;
  let hash = sha256(LEAF, line);
  for (const part of proof) {
    if (sn === 0n) return undefined;
    const other = Buffer.from(part, 'base64');
    if (fn % 2n === 1n || fn === sn) {
      hash = sha256(NODE, other, hash);
      while (fn % 2n === 0n && fn !== 0n) [fn, sn] = [fn >> 1n, sn >> 1n];
    } else hash = sha256(NODE, hash, other);
    [fn, sn] = [fn >> 1n, sn >> 1n];
  }
  return sn === 0n ? hash : undefined;
}

/** What is wrong with a bundle, in sentences; nothing when it verifies. */
export function problemsOf(bundle, key) {
  if (bundle.format !== 'writ-bundle/1')
    return { problems: [`the format "${bundle.format}" is not writ-bundle/1`], size: 0, events: 0 };
  const checkpoint = openCheckpoint(String(bundle.checkpoint), key);
  if (checkpoint.why)
    return { problems: [`the checkpoint is not to be believed: ${checkpoint.why}`], size: 0, events: 0 };
  const problems = [];
  const seen = new Set();
  for (const { line, index, proof } of bundle.events) {
    const root = rootOf(index, checkpoint.size, Buffer.from(line), proof);
    if (seen.has(index)) problems.push(`the leaf ${index} is there twice`);
    seen.add(index);
    if (!root?.equals(checkpoint.root))
      problems.push(`the event at leaf ${index} is not in the signed tree: ${line.slice(0, 100)}`);
  }
  return { problems, size: checkpoint.size, events: bundle.events.length };
}

function main(argv) {
  const at = argv.indexOf('--key');
  const file = argv.find((argument, place) => !argument.startsWith('--') && place !== at + 1);
  if (at < 0 || argv[at + 1] === undefined || file === undefined) {
    process.stderr.write("usage: node writ-verify.mjs bundle.json --key '<name>+<hash>+<key>' [--json]\n");
    return 1;
  }
  let result;
  try {
    result = problemsOf(JSON.parse(readFileSync(file, 'utf8')), argv[at + 1]);
  } catch (error) {
    process.stderr.write(`${file} is not a bundle: ${error.message}\n`);
    return 1;
  }
  const { problems, size, events } = result;
  if (argv.includes('--json'))
    process.stdout.write(`${JSON.stringify({ verified: problems.length === 0, treeSize: size, events, problems })}\n`);
  else if (problems.length === 0)
    process.stdout.write(`verified: ${events} events are in the signed tree of ${size}\n`);
  else process.stdout.write(`NOT VERIFIED\n${problems.map((problem) => `  ${problem}\n`).join('')}`);
  return problems.length === 0 ? 0 : 10;
}

// Not by `main` of import.meta: a Node that does not know it would do nothing and exit with 0, which means verified.
const [, program] = process.argv;
if (program !== undefined && import.meta.url === pathToFileURL(realpathSync(program)).href)
  process.exitCode = main(process.argv.slice(2));
