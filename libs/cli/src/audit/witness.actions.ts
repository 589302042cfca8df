import { rename, writeFile } from 'node:fs/promises';
import { routes } from '../api/routes.js';
import type { Call } from '../command/call.js';
import { jsonFile } from '../config/settings.js';
import { exit } from '../failure/exit-code.js';
import { problemOf, Refused } from '../failure/refused.js';
import { report } from '../failure/report.js';
import { keyText } from './bundle.actions.js';

/** What is kept from one time to the next. */
interface Kept {
  readonly format: 'writ-witness/1';
  readonly logKey: string;
  /** The signed note as the log has shown it. */
  readonly checkpoint: string;
  readonly time: string;
}

interface WitnessOptions {
  file?: string | undefined;
  logKey?: string | undefined;
}

export async function keepWitness(call: Call, { file = 'writ-witness.json', logKey }: WitnessOptions): Promise<number> {
  const api = await call.api();
  const kept = await readKept(file);
  const now = await api.call(routes.getCheckpoint, {});
  const given = logKey === undefined ? undefined : await keyText(logKey);
  const key = given ?? kept?.logKey ?? now.verifierKey;
  if (given === undefined && kept === undefined)
    call.out.say(`the key came from the same server, and is trusted from now on: ${key}`);
  const { witness } = await import('@writ/sdk/verify');
  const proofOf = async (from: bigint, to: bigint) => {
    const { hashes } = await api.call(routes.getConsistencyProof, { from: String(from), to: String(to) });
    return hashes.map((hash) => Buffer.from(hash, 'base64'));
  };
  const found = await witness(kept?.checkpoint ?? now.checkpoint, now.checkpoint, key, proofOf);
  if (!found.ok) {
    const since = kept ? `; the checkpoint of ${kept.time} in ${file} is the evidence and stays` : '';
    const { detail, ...more } = problemOf(found.error);
    if (call.out.machine) call.out.document({ ok: false, problem: { ...more, detail } });
    else report({ ...more, detail: `${detail}${since}` }, false);
    return exit.found;
  }
  await save(file, {
    format: 'writ-witness/1',
    logKey: key,
    checkpoint: now.checkpoint,
    time: new Date().toISOString(),
  });
  const [from, to] = [String(found.from), String(found.to)];
  const sentence = kept
    ? `the log has only grown since ${kept.time}: from ${from} to ${to} leaves`
    : `a checkpoint of ${to} leaves is kept from now on`;
  call.out.receipt({ ok: true, from, to, file }, file, sentence);
  return exit.ok;
}

async function readKept(file: string): Promise<Kept | undefined> {
  const kept = (await jsonFile(file)) as Kept | undefined;
  if (kept === undefined || kept.format === 'writ-witness/1') return kept;
  throw new Refused('cli.bad_input', `${file} is not a file that \`writ audit witness\` has written`);
}

/** Whole or not at all: half a checkpoint is no evidence. */
async function save(file: string, kept: Kept): Promise<void> {
  try {
    await writeFile(`${file}.new`, `${JSON.stringify(kept, undefined, 2)}\n`);
    await rename(`${file}.new`, file);
  } catch (error) {
    throw new Refused('cli.bad_input', `${file} cannot be written: ${(error as NodeJS.ErrnoException).code}`);
  }
}
