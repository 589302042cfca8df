import type { Answer } from '../api/route.js';
import { routes } from '../api/routes.js';
import type { Call } from '../command/call.js';
import { readInput, timeOf } from '../command/input.js';
import { exit } from '../failure/exit-code.js';
import { Refused } from '../failure/refused.js';

/** One of these, as the JSON form of a `oneof` has it. */
interface Item {
  readonly run?: Answer<typeof routes.startRun>;
  readonly problem?: { readonly code: string; readonly detail: string };
}
interface Given {
  queue?: string | undefined;
  key?: string | undefined;
  priority?: number | undefined;
  agent?: string | undefined;
  onConflict?: string | undefined;
  at?: string | undefined;
}

/** As many as one call takes. */
const atOnce = 10_000;
/** What a line may say. */
const members = ['workflow', 'id', 'input', 'queue', 'key', 'priority', 'onConflict', 'agent', 'at'] as const;

/** `writ run start --file`: a run for each line of JSON; options hold for lines that say nothing else. */
export async function startMany(call: Call, workflow: string | undefined, file: string, given: Given): Promise<number> {
  const [api, settings, text] = await Promise.all([call.api(), call.settings(), readInput(file)]);
  const defaults = { workflow, ...given, agent: given.agent ?? settings.agent?.value };
  const lines = text.split('\n').flatMap((line, at) => (line.trim() === '' ? [] : [{ line, at: at + 1 }]));
  if (lines.length === 0) throw new Refused('cli.bad_input', `${file} has no line with a run`);
  const items = lines.map(({ line, at }) => itemOf(line, `${file}:${at}`, defaults));
  const answered: Item[] = [];
  for (let from = 0; from < items.length; from += atOnce)
    answered.push(
      ...((await api.call(routes.startRuns, { items: items.slice(from, from + atOnce) as never })).items as Item[]),
    );
  return told(call, answered, (i) => `${file}:${lines[i]?.at}`);
}

function itemOf(line: string, where: string, defaults: Given & { workflow: string | undefined }) {
  const bad = (why: string) =>
    new Refused('cli.bad_input', `${where} ${why}`, { hint: `one JSON object a line: {"workflow":"hello","input":…}` });
  let said: Record<string, unknown>;
  try {
    said = JSON.parse(line) as typeof said;
  } catch (error) {
    throw bad(`is not JSON: ${(error as Error).message}`);
  }
  if (typeof said !== 'object' || said === null || Array.isArray(said)) throw bad('is no JSON object');
  const unknown = Object.keys(said).find((name) => !(members as readonly string[]).includes(name));
  if (unknown !== undefined) throw bad(`says '${unknown}', which is none of ${members.join(', ')}`);
  const { input, at, ...rest } = { ...defined(defaults), ...said } as Record<string, string> & { input?: unknown };
  if (rest['workflow'] === undefined) throw bad('names no workflow, and neither does the command');
  const startTime = timeOf(at, `'at' of ${where}`);
  return { ...rest, ...(input !== undefined && { jsonInput: input }), ...(startTime !== undefined && { startTime }) };
}

function defined(values: object): object {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

/** Ids on stdout, each problem with its line on stderr. */
function told(call: Call, items: readonly Item[], where: (i: number) => string): number {
  const refused = items.filter(({ problem }) => problem).length;
  if (call.out.format === 'json') call.out.document({ items });
  else if (call.out.format === 'jsonl') items.forEach((item) => call.out.line(item));
  else for (const { run } of items) if (run) call.out.data(`${run.id}\n`);
  for (const { run } of items) for (const { text } of run?.warnings ?? []) call.out.say(`warning: ${text}`);
  items.forEach(({ problem }, i) => {
    if (problem) call.out.say(`${where(i)} ${problem.detail} (${problem.code})`);
  });
  const there = items.filter(({ run }) => run?.attached).length;
  call.out.say(`${items.length - refused - there} started, ${there} were there already, ${refused} refused`);
  return refused > 0 ? exit.endedBadly : exit.ok;
}
