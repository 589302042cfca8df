import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Workflow } from '@writ/sdk';
import { testWrit, workflowsOf, type History } from '@writ/sdk/testing';
import { routes } from '../api/routes.js';
import type { Call } from '../command/call.js';
import { exit } from '../failure/exit-code.js';
import { Refused } from '../failure/refused.js';
import { plain } from '../output/text.js';
import { stateOf } from './run.actions.js';

interface CheckOptions {
  sample?: number | undefined;
  open: boolean;
  run: string[];
  from?: string | undefined;
  save?: string | undefined;
}
/** A run that would be paused under the new code. */
interface Diverged {
  readonly run: string;
  readonly workflow: string;
  readonly difference: string;
  readonly diff: string;
}
interface Found {
  readonly checked: number;
  readonly diverged: readonly Diverged[];
  /** Workflows that histories are of and the file has not. */
  readonly withoutCode: readonly string[];
}

/** As many as one page has. */
const mostListed = 1000;
const ended = new Set(['succeeded', 'failed', 'cancelled']);
const hint = 'they are written by `writ run check <file> --save <folder>`';

/** `writ run check`: recorded runs, replayed on the code of a file. */
export async function check(call: Call, file: string, options: CheckOptions): Promise<number> {
  using quiet = quietly();
  const workflows = await codeOf(file);
  const { from, save } = options;
  const histories = from === undefined ? await fromHere(call, workflows, options) : await saved(from);
  if (save !== undefined) await saveTo(save, histories);
  const diverged: Diverged[] = [];
  const withoutCode = new Set<string>();
  for (const history of histories) {
    call.signal.throwIfAborted();
    const code = workflows.get(history.workflow);
    const difference = code && (await differenceOf(history, code));
    if (difference) diverged.push(difference);
    if (!code) withoutCode.add(history.workflow);
  }
  const checked = histories.filter(({ workflow }) => workflows.has(workflow)).length;
  quiet[Symbol.dispose]();
  report(call, { checked, diverged, withoutCode: [...withoutCode] });
  return diverged.length > 0 ? exit.found : exit.ok;
}

/** What the code that is loaded prints is talk: stdout is for what was found. */
function quietly(): Disposable {
  const { stdout, stderr } = process;
  const { write } = stdout;
  stdout.write = stderr.write.bind(stderr) as typeof write;
  return { [Symbol.dispose]: () => void (stdout.write = write) };
}

async function codeOf(file: string): Promise<Map<string, Workflow>> {
  const { href } = pathToFileURL(path.resolve(file));
  const workflows = await workflowsOf(() => import(href) as Promise<object>).catch((error: Error) => {
    throw new Refused('cli.bad_input', `${file} cannot be loaded: ${error.message}`, { cause: error });
  });
  if (workflows.size > 0) return workflows;
  throw new Refused('cli.bad_input', `${file} exports no workflow and serves none`, {
    hint: 'name the program that calls `serve`, or one that exports what `workflow` made',
  });
}

async function differenceOf(history: History, code: Workflow): Promise<Diverged | undefined> {
  await using writ = testWrit();
  const { same, firstDifference, diff = '' } = await writ.replay(history, code);
  if (same) return undefined;
  return { run: history.run, workflow: history.workflow, difference: firstDifference?.event ?? '', diff };
}

type Code = ReadonlyMap<string, Workflow>;

async function fromHere(call: Call, workflows: Code, { sample = 20, run, open }: CheckOptions): Promise<History[]> {
  const api = await call.api();
  const ids = [...run];
  if (run.length === 0) for (const name of workflows.keys()) ids.push(...(await sampleOf(call, name, sample, open)));
  const histories: History[] = [];
  for (const id of ids) histories.push((await api.call(routes.getRunHistory, { id })).history as unknown as History);
  return histories;
}

/** Those that go on, since they are what new code could break; then those that have ended. Of each evenly, from the newest to the oldest. */
async function sampleOf(call: Call, workflow: string, wanted: number, openOnly: boolean): Promise<string[]> {
  const api = await call.api();
  const list = async (more: string) => {
    const filter = `workflow = ${JSON.stringify(workflow)}${more}`;
    return (await api.call(routes.listRuns, { filter, pageSize: mostListed, pageToken: '' })).runs;
  };
  const open = [...(await list(' AND state = "waiting"')), ...(await list(' AND state = "running"'))];
  const picked = spread(open, wanted);
  if (!openOnly && picked.length < wanted)
    picked.push(
      ...spread(
        (await list('')).filter(({ state }) => ended.has(stateOf(state))),
        wanted - picked.length,
      ),
    );
  return picked.map(({ id }) => id);
}

function spread<T>(all: readonly T[], wanted: number): T[] {
  if (all.length <= wanted) return [...all];
  return Array.from({ length: wanted }, (_, n) => all[Math.floor((n * all.length) / wanted)] as T);
}

/** @throws Refused `cli.bad_input` */
async function saved(place: string): Promise<History[]> {
  const found = await stat(place).catch(() => undefined);
  if (!found?.isDirectory()) return [await historyIn(place)];
  const files = (await readdir(place)).filter((name) => name.endsWith('.json')).sort();
  if (files.length === 0) throw new Refused('cli.bad_input', `${place} has no histories`, { hint });
  return Promise.all(files.map((name) => historyIn(path.join(place, name))));
}

async function historyIn(file: string): Promise<History> {
  let history: Partial<History>;
  try {
    history = JSON.parse(await readFile(file, 'utf8')) as Partial<History>;
  } catch (error) {
    throw new Refused('cli.bad_input', `${file} is no history: ${(error as Error).message}`, { hint });
  }
  if (history.format === 'writ-history/1') return history as History;
  throw new Refused('cli.bad_input', `${file} is no history: its format is ${String(history.format)}`, { hint });
}

/** What runs were given and what they found is nobody else's to read. */
async function saveTo(folder: string, histories: readonly History[]): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const history of histories) {
    const file = path.join(folder, `${encodeURIComponent(history.run)}.json`);
    await writeFile(file, `${JSON.stringify(history, undefined, 1)}\n`, { mode: 0o600 });
  }
}

function report({ out }: Call, found: Found): void {
  const { checked, diverged, withoutCode } = found;
  if (out.format === 'json') out.document(found);
  else if (out.format === 'jsonl') for (const each of diverged) out.line(each);
  else if (out.format === 'name') for (const { run } of diverged) out.data(`${run}\n`);
  else for (const each of diverged) out.data(plain(paragraphOf(each)));
  if (withoutCode.length > 0) out.say(`the file has no code of ${plain(withoutCode.join(', '))}: left out`);
  if (checked === 0) out.say('nothing was checked: there is no record of a run of these workflows');
  else out.say(`${checked - diverged.length} of ${checked} runs take the same way, ${diverged.length} would diverge`);
  if (diverged.length > 0)
    out.say("Keep the old way for them with `ctx.patched('<id>')`, or let them end on workers of the old code.");
}

function paragraphOf({ run, workflow, difference, diff }: Diverged): string {
  return `${run}  ${workflow}\n  ${difference}\n${diff.replace(/^/gm, '    ')}\n\n`;
}
