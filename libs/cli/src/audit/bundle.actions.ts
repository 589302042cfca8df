import { stat, writeFile } from 'node:fs/promises';
import type { Archived } from '../archive/verify.js';
import { routes } from '../api/routes.js';
import type { Call } from '../command/call.js';
import { readInput } from '../command/input.js';
import { exit } from '../failure/exit-code.js';
import { Refused, problemOf, type Problem } from '../failure/refused.js';
import { report } from '../failure/report.js';
import { filterOf, type Filters } from './audit.actions.js';
import { checkIntegrity } from './check.actions.js';

export async function exportBundle(call: Call, options: Filters & { out?: string | undefined }): Promise<void> {
  const body = await (await call.api()).call(routes.exportBundle, filterOf(options), { timeoutMs: 120_000 });
  const { out } = options;
  if (out === undefined) {
    if (call.out.machine) call.out.document(body);
    else call.out.data(`${body.bundle}\n`);
    return;
  }
  await writeFile(out, `${body.bundle}\n`).catch((error: NodeJS.ErrnoException) => {
    throw new Refused('cli.bad_input', `${out} cannot be written: ${error.code ?? error.message}`);
  });
  call.out.receipt(
    { ...body, bundle: out },
    out,
    `${body.events} events; verify them with \`writ audit verify ${out}\``,
  );
}

interface VerifyOptions {
  logKey?: string | undefined;
  witness: string[];
  online: boolean;
}

/** What `--json` prints. */
interface Verdict {
  ok: boolean;
  events?: number;
  treeSize?: string;
  logKey: string;
  /** Of an archive. */
  archived?: Omit<Archived, 'events'>;
  /** Whom the log's key was taken from. */
  keyFrom: 'given' | 'server';
  problem?: Problem;
  integrity?: unknown;
}

export async function verifyBundle(call: Call, file: string, options: VerifyOptions): Promise<number> {
  const [log, witnesses] = await Promise.all([logKeyOf(call, options), Promise.all(options.witness.map(keyText))]);
  const found = await ((await isFolder(file)) ? ofArchive : ofBundle)(file, { log, witnesses });
  const verdict: Verdict = { ...found, logKey: log, keyFrom: options.logKey === undefined ? 'server' : 'given' };
  if (options.online) await askServer(call, verdict);
  if (call.out.machine) call.out.document(verdict);
  else tell(call, verdict);
  return verdict.ok ? exit.ok : exit.found;
}

type Found = Omit<Verdict, 'logKey' | 'keyFrom'>;
type Keys = { log: string; witnesses: string[] };

async function ofBundle(file: string, keys: Keys): Promise<Found> {
  const { verify } = await import('@writ/sdk/verify');
  const verified = await verify(bundleOf(await readInput(file)), keys);
  if (!verified.ok) return { ok: false, problem: problemOf(verified.error) };
  return { ok: true, events: verified.events.length, treeSize: String(verified.treeSize) };
}

async function ofArchive(folder: string, keys: Keys): Promise<Found> {
  const { verifyArchive } = await import('../archive/verify.js');
  try {
    const { events, ...archived } = await verifyArchive(folder, keys);
    return { ok: true, events, archived };
  } catch (error) {
    if (error instanceof Refused) return { ok: false, problem: error.problem };
    throw error;
  }
}

async function isFolder(file: string): Promise<boolean> {
  return file !== '-' && (await stat(file).then((found) => found.isDirectory(), () => false)); // prettier-ignore
}

function tell(call: Call, verdict: Verdict): void {
  const { ok, events, treeSize, logKey, keyFrom, problem, integrity, archived } = verdict;
  if (problem) report(problem, false);
  if (archived) {
    const { runs, values, missing, digest } = archived;
    const less = missing > 0 ? `, ${missing} values were not there any more when it was written` : '';
    call.out.data(`${runs} runs with ${events} events and ${values} values, all of them whole${less}; ${digest}\n`);
  } else if (events !== undefined)
    call.out.data(`${events} events are in the log of ${treeSize}, signed by ${logKey.split('+')[0]}\n`);
  if (integrity !== undefined && ok) call.out.data('the record holds every commit of every partition, unchanged\n');
  if (keyFrom === 'server')
    call.out.say('the key came from the same server; pin it with --log-key to trust nobody: ' + logKey);
}

/** Lets the server read every partition again and compare it with what went into the record. */
async function askServer(call: Call, verdict: Verdict): Promise<void> {
  const { integrity } = await checkIntegrity(call);
  verdict.integrity = integrity;
  for (const { kind, text } of integrity?.problems ?? []) {
    verdict.ok = false;
    call.out.say(`${kind}: ${text}`);
  }
}

/** The bundle of an answer of the API, too: what `audit export --json` prints. */
function bundleOf(text: string): string {
  try {
    const { bundle } = JSON.parse(text) as { bundle?: unknown };
    return typeof bundle === 'string' ? bundle : text;
  } catch {
    return text; // `verify` says what is wrong with it
  }
}

async function logKeyOf(call: Call, { logKey, online }: VerifyOptions): Promise<string> {
  if (logKey !== undefined) return keyText(logKey);
  if (!online)
    throw new Refused('cli.usage', 'whose signature should be on it?', {
      hint: 'give the verifier key of the log with --log-key; `writ status` shows what the server says it is',
    });
  return (await (await call.api()).call(routes.getCheckpoint, {})).verifierKey;
}

/** A key as it is given: itself, or `@file`. */
export async function keyText(given: string): Promise<string> {
  return (given.startsWith('@') ? await readInput(given.slice(1)) : given).trim();
}
