/** What must hold when it is over, looked at from outside: results, effects, the record, views, and what is left on the machine. */
import { existsSync, readdirSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { verify } from '@writ/sdk';
import { eventually, isRunning, type HostProcess } from '@writ/testkit';
import type { Rest } from '../../demo/rest.js';
import type { Cast } from './cast.js';
import { digestOf } from './errand.js';
import { connectionsTo, tracesOf } from '../stack/host.js';
import type { Journal } from './journal.js';
import type { FaultStack } from '../stack/stack.js';
import type { Errand } from './workload.js';

/** Sentences for what is broken. */
export type Findings = string[];

/** Every errand ended, with the result that it must have. */
export function checkResults(errands: readonly Errand[]): Findings {
  return errands.flatMap(({ key, run, result, problem }) => {
    if (!result) return [`${run} did not end as it should: ${problem}`];
    const broken: Findings = [];
    if (result.digest !== digestOf(key)) broken.push(`${run} has the wrong digest ${result.digest}`);
    if (result.remembered !== 1) broken.push(`${run} found its memory ${result.remembered} times`);
    return broken;
  });
}

/** What happened outside happened once; where the run was told that nobody knows, at most once. */
export async function checkEffects(errands: readonly Errand[], cast: Cast, journal: Journal): Promise<Findings> {
  const broken: Findings = [];
  const memories = await memoriesOf(cast);
  for (const { key, run, result } of errands) {
    const appended = journal.appended.get(key) ?? 0;
    if (appended > 1 || (result?.appended === 'done' && appended === 0))
      broken.push(`${run} appended ${appended} lines to the journal, and was told '${result?.appended}'`);
    const remembered = memories.filter((each) => each === key).length;
    if (remembered > 1 || (result && remembered === 0)) broken.push(`${run} left ${remembered} memories`);
    if (result?.filed === 'done') broken.push(...(await checkFile(key, cast)));
  }
  return broken;
}

async function memoriesOf({ agent, scope }: Cast): Promise<string[]> {
  const keys: string[] = [];
  for (let pageToken = ''; ;) {
    const query = new URLSearchParams({ scope, page_size: '1000', page_token: pageToken });
    const page = await agent.get<{ memories?: { attributes: { key: string } }[]; nextPageToken?: string }>(
      `/v1/memory?${query}`,
    );
    keys.push(...(page.memories ?? []).map(({ attributes }) => attributes.key));
    if (!page.nextPageToken) return keys;
    pageToken = page.nextPageToken;
  }
}

async function checkFile(key: string, { person }: Cast): Promise<Findings> {
  const call = { tool: 'files/read_text_file', arguments: { path: `/reports/${key}` } };
  const { structuredContent } = await person.post<{ structuredContent?: { content: string } }>('/v1/tools:call', call);
  return structuredContent?.content === digestOf(key)
    ? []
    : [`the file of ${key} is ${JSON.stringify(structuredContent)}`];
}

/** The record is whole, and what it says of the agent is proven against the signed checkpoint. */
export async function checkRecord({ person, agent }: Cast): Promise<Findings> {
  const { integrity } = await person.post<{ integrity: { problems: { text: string }[] } }>(
    '/v1/audit/integrity:check',
    {},
  );
  const { verifierKey } = await person.get<{ verifierKey: string }>('/v1/audit/checkpoint');
  const query = new URLSearchParams({ agent: agent.key.client_id });
  const { bundle } = await person.get<{ bundle: string }>(`/v1/audit/bundle?${query}`);
  const verified = await verify(bundle, { log: verifierKey });
  return [
    ...(integrity.problems ?? []).map(({ text }) => `the record is not whole: ${text}`),
    ...(verified.ok ? [] : [`the agent's record is not proven: ${verified.error.code}`]),
  ];
}

/** Views have caught up: nothing is under way in them that is not under way. */
export async function checkViews(errands: readonly Errand[], { agent, person }: Cast): Promise<Findings> {
  const idle = async (): Promise<boolean> => {
    const runs = await runsUnderWay(agent);
    const { sandboxes = [] } = await person.get<{ sandboxes?: { id: string; name: string }[] }>(
      '/v1/sandboxes?state=running',
    );
    const { approvals = [] } = await person.get<{ approvals?: { id: string }[] }>('/v1/approvals');
    const left = sandboxes.filter(({ name }) => !name.startsWith('mcp-'));
    if (runs.length + left.length + approvals.length > 0)
      throw new Error(JSON.stringify({ runs, left, approvals }).slice(0, 1_000));
    return true;
  };
  const all = async (): Promise<boolean> => {
    for (const { run } of errands) await agent.get(`/v1/runs/${run}`);
    return true;
  };
  try {
    await eventually(idle, { timeoutMs: 30_000, everyMs: 200, what: 'nothing under way in the views' });
    await eventually(all, { timeoutMs: 30_000, what: 'every run in the view' });
    return [];
  } catch (error) {
    return [(error as Error).message];
  }
}

async function runsUnderWay(agent: Rest): Promise<unknown[]> {
  const found: unknown[] = [];
  for (const state of ['queued', 'running', 'waiting']) {
    const query = new URLSearchParams({ filter: `state = "${state}"` });
    found.push(...((await agent.get<{ runs?: unknown[] }>(`/v1/runs?${query}`)).runs ?? []));
  }
  return found;
}

/** What a stack holds of its servers; more after the kills than before is left over from a killed process. */
export interface Held {
  readonly natsConnections: number;
  /** Consumers of ledgers that nobody reads. */
  readonly abandoned: number;
}

/** The broker forgets a consumer of a ledger a minute after its reader is gone; those of other kinds after five. */
const CONSUMER_NS = 60e9;

export async function heldBy({ natsUrl, natsPassword }: FaultStack): Promise<Held> {
  const natsConnections = connectionsTo(Number(new URL(natsUrl).port));
  const nc = await connect({ servers: natsUrl, user: 'writ', pass: natsPassword });
  const manager = await jetstreamManager(nc);
  let abandoned = 0;
  for await (const { config } of manager.streams.list('ledger.>'))
    for await (const consumer of manager.consumers.list(config.name))
      if (consumer.num_waiting === 0 && (consumer.config.inactive_threshold ?? 0) <= CONSUMER_NS) abandoned++;
  await nc.close();
  return { natsConnections, abandoned };
}

const RELEASED_MS = 100_000;

/** As soon as nobody uses the stack it holds what it held before, and nothing that nobody uses. */
export async function checkHeld(
  stack: FaultStack,
  before: Held,
  waitForConsumers: boolean,
): Promise<{ findings: Findings; held: Held }> {
  let held = before;
  const noMore = async (): Promise<boolean> => {
    held = await heldBy(stack);
    return (!waitForConsumers || held.abandoned === 0) && held.natsConnections <= before.natsConnections;
  };
  const findings = await eventually(noMore, { timeoutMs: RELEASED_MS, everyMs: 1_000 }).then(
    () => [],
    () => [`it held ${JSON.stringify(before)} before the kills, and ${JSON.stringify(held)} some time after them`],
  );
  return { findings, held };
}

/** After the stop: no process, mount, loop device, control group or folder of a sandbox. */
export async function checkLeftOver(
  { folder }: FaultStack,
  processes: readonly HostProcess[],
  controlGroups: readonly string[],
): Promise<Findings> {
  const live = path.join(folder, 'data/sandbox-runner/isolation/live');
  const left = (): string[] => [
    ...processes.filter(isRunning).map(({ pid, command }) => `process ${pid} ${command.slice(0, 100)}`),
    ...tracesOf(realpathSync(folder), controlGroups),
    ...(existsSync(live) ? readdirSync(live).map((name) => `folder ${name}`) : []),
  ];
  await eventually(() => left().length === 0, { timeoutMs: 10_000 }).catch(() => {});
  return left().map((what) => `left over: ${what}`);
}
