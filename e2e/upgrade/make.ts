/**
 * Makes the upgrade fixture: a data folder as the code of some commit writes it. Run it in a built checkout of that commit,
 * with this folder copied into it and `pg_dump` of PostgreSQL's version at hand:
 *
 *     WRIT_POSTGRES_URL=postgres://… node --import ./infra/typescript.mjs e2e/upgrade/make.ts <commit> <archive.tar.gz>
 *
 * The keys in it were made for it and open nothing else. PostgreSQL's cluster is kept as SQL: one of another major version could not be opened, and the tables are what migrations meet.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { newKeyPair, Rest, type Key } from '../demo/rest.js';
import { demoStack } from '../demo/stack.js';
import { connectAgent } from './agent.js';
import { readAll, runs, type History, type Tenant } from './history.js';
import { fails, file, nap, refund, report, workflows } from './workflows.js';

/** An MCP server in one argument, so that the fixture needs no file of its machine. */
const notes = `
const tool = { name: 'add', description: 'Adds a note', inputSchema: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] } };
const answers = {
  initialize: (p) => ({ protocolVersion: p.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'notes', version: '1.0.0' } }),
  'tools/list': () => ({ tools: [tool, { ...tool, name: 'burn', description: 'Burns all notes' }] }),
  'tools/call': (p) => ({ content: [{ type: 'text', text: 'noted ' + p.arguments.text }] }),
};
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) return;
  const answer = answers[method];
  const body = answer ? { result: answer(params) } : { error: { code: -32601, message: 'no such method' } };
  process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, ...body }) + '\\n');
});
`;

const policy = `
@id("everyone-works")
permit (principal, action, resource);

@id("nothing-burns")
@reason("notes are kept")
forbid (principal, action == Writ::Action::"tool.call", resource == Writ::Tool::"notes/burn");
`;

const [commit, archive] = process.argv.slice(2);
if (commit === undefined || archive === undefined) throw new Error('usage: make.ts <commit> <archive.tar.gz>');

const folder = mkdtempSync(path.join(tmpdir(), 'writ-fixture-'));
const stack = await demoStack(path.join(folder, 'data'), (line) => process.stderr.write(`${line}\n`));
const operator = new Rest(stack.url, stack.operator);

async function newTenant(name: string): Promise<Tenant> {
  const { id } = await operator.post<{ id: string }>('/v1/tenants', { name });
  const [personKey, agentKey, revokedKey] = [newKeyPair(), newKeyPair(), newKeyPair()];
  const body = { name: 'Ada', jwk: JSON.stringify(personKey.publicJwk), capabilities: [{ actions: ['*'] }] };
  const { id: person } = await operator.in(id).post<{ id: string }>('/v1/people', body);
  const rest = new Rest(stack.url, { client_id: person, jwk: personKey.jwk });
  const newAgent = async (key: { jwk: Key['jwk']; publicJwk: Key['jwk'] }): Promise<Key> => {
    const actions = ['run.*', 'worker.connect', 'event.read', 'tool.*', 'memory.*', 'sandbox.*', 'artifact.read'];
    const agent = { name: 'clerk', jwk: JSON.stringify(key.publicJwk), capabilities: [{ actions }] };
    const { agent: made } = await rest.post<{ agent: { id: string } }>('/v1/agents', agent);
    return { client_id: made.id, jwk: key.jwk };
  };
  return { id, person: rest.key, agent: await newAgent(agentKey), revoked: await newAgent(revokedKey) };
}

async function furnish(person: Rest): Promise<void> {
  const push = (text: string) =>
    person.put('/v1/policies', { files: [{ name: 'all.cedar', text }], mode: 'POLICY_MODE_ENFORCE' });
  await push('permit (principal, action, resource);');
  await push(policy);
  await person.post('/v1/tool-servers', { name: 'notes', spec: { stdio: { argv: ['node', '-e', notes] } } });
  const { tools } = await person.get<{ tools: { name: string; hash: string }[] }>('/v1/tools?server=notes');
  for (const { name, hash } of tools) if (name === 'notes/add') await person.post('/v1/tools:approve', { name, hash });
  await person.post('/v1/artifacts', { source: repository(), name: 'code' });
}

/** A Git repository of one commit. */
function repository(): string {
  const at = path.join(folder, 'repository');
  const git = (...argv: string[]) => execFileSync('git', ['-C', at, ...argv], { stdio: 'ignore' });
  execFileSync('git', ['init', '-q', '-b', 'main', at]);
  writeFileSync(path.join(at, 'index.js'), 'export const answer = 42;\n');
  git('add', '.');
  git('-c', 'user.name=Ada', '-c', 'user.email=ada@example.org', 'commit', '--allow-empty', '-qm', 'first');
  return at;
}

async function live({ agent, revoked, person: key }: Tenant): Promise<void> {
  const person = new Rest(stack.url, key);
  await furnish(person);
  const clerk = new Rest(stack.url, agent);
  await using writ = connectAgent(stack.url, agent);
  await using _worker = await writ.serve({ workflows, tools: [file] });
  const finished = await writ.start(report, { topic: 'two words' }, { id: runs.finished });
  await finished.result();
  await (await writ.start(fails, {}, { id: runs.failed })).result().catch(() => {});
  for (const id of [runs.sleeping, runs.cancelled]) await writ.start(nap, {}, { id });
  await person.post(`/v1/runs/${runs.cancelled}:cancel`, { reason: 'nobody needs it' });
  for (const id of [runs.waiting, runs.asking]) await writ.start(refund, { order: id, cents: 4250 }, { id });
  await person.post(`/v1/runs/${runs.asking}:send`, {
    message: 'evidence',
    jsonData: { url: 'https://example.org/a' },
  });
  for (const text of ['the first note', 'the second note'])
    await clerk.post('/v1/memory', { scope: 'notes/all', text });
  const { memories } = await person.get<{ memories: { id: string }[] }>('/v1/memory?scope=notes/all');
  await fetch(`${stack.url}/v1/memory/${memories[0]?.id}?reason=wrong`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${await person.accessToken()}` },
  });
  const box = await clerk.post<{ sandbox: { id: string } }>('/v1/sandboxes', {});
  await clerk.post(`/v1/sandboxes/${box.sandbox.id}:stop`, {});
  await person.post('/v1/revocations', { subject: revoked.client_id, reason: 'it misbehaved' });
  await settled(person);
}

/** Until each run is where it stays. */
async function settled(person: Rest): Promise<void> {
  const wanted = { [runs.asking]: 'approval', [runs.waiting]: 'message', [runs.sleeping]: 'timer' };
  for (const [id, waitingOn] of Object.entries({ ...wanted, [runs.cancelled]: '' }))
    for (;;) {
      const { run } = await person.get<{ run: { state: string; waitingOn: string } }>(`/v1/runs/${id}`);
      if (waitingOn === '' ? run.state === 'RUN_STATE_CANCELLED' : run.waitingOn.startsWith(waitingOn)) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
}

/** Lives through the history and tells it. */
async function tell(writtenBy: string): Promise<History> {
  const tenants = [await newTenant('acme'), await newTenant('globex')];
  for (const tenant of tenants) await live(tenant);
  await new Promise((resolve) => setTimeout(resolve, 3_000)); // the last events go into the record
  const rest = new Rest(stack.url, (tenants[0] as Tenant).person);
  const { bundle } = await rest.get<{ bundle: string }>(`/v1/audit/bundle?run=${runs.finished}`);
  const log = await rest.get<{ verifierKey: string; checkpoint: string }>('/v1/audit/checkpoint');
  return { writtenBy, tenants, answers: await readAll(stack.url, tenants), bundle, ...log };
}

const history = await tell(commit).finally(() => stack.stop());

writeFileSync(path.join(folder, 'history.json'), JSON.stringify(history));
const url = process.env['WRIT_POSTGRES_URL'] as string;
const dump = ['--no-owner', '--no-privileges', '--rows-per-insert=500', '--inserts', url];
writeFileSync(path.join(folder, 'views.sql'), execFileSync('pg_dump', dump, { maxBuffer: 1 << 30 }));
rmSync(path.join(folder, 'repository'), { recursive: true });
// What sandboxes are made of is of this host, and made again at every start.
const without = '--exclude=./data/sandbox-runner/isolation';
execFileSync('tar', ['-C', folder, without, '--owner=0', '--group=0', '-czf', path.resolve(archive), '.']);
rmSync(folder, { recursive: true });
