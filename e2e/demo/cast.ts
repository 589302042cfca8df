/** Who takes part: a tenant, a person, the agent, its policies and its one tool server. Everything here may be repeated. */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { newKeyPair, Rest, type Key } from './rest.js';
import { root } from './stack.js';

export interface Cast {
  readonly tenant: string;
  readonly person: Rest;
  readonly agent: Rest;
  readonly agentKeyFile: string;
  readonly policies: { version: string; policies: number };
}

interface ToolEntry {
  readonly name: string;
  readonly hash: string;
  readonly state: string;
}

/** Of the person who owns the agent, approves, audits and revokes; nobody hands an agent more than they hold. */
const personHolds = [
  {
    actions: [
      'agent.*',
      'policy.*',
      'approval.*',
      'run.*',
      'tool.*',
      'artifact.*',
      'memory.*',
      'audit.*',
      'event.*',
      'identity.*',
      'worker.*',
      'sandbox.*',
    ],
  },
];

/** Of the agent; its runs hold this or less. */
const agentHolds = [
  { actions: ['run.start', 'run.read', 'worker.connect', 'event.read', 'approval.read'] },
  { actions: ['sandbox.create', 'sandbox.exec', 'sandbox.read', 'sandbox.stop', 'artifact.read'] },
  { actions: ['memory.read', 'memory.write', 'memory.forget'], resources: ['repository/*'] },
  { actions: ['tool.call'], resources: ['files/*'] },
];

/** The tenant and the person stay from one demo to the next, so that memory does; the agent is new each time, since it is revoked at the end. */
export async function castOf(operator: Rest, folder: string): Promise<Cast> {
  await mkdir(folder, { recursive: true });
  const tenant = `tnt_${idOf('demo')}`;
  await operator.post('/v1/tenants', { id: tenant, name: 'demo' });
  const inTenant = operator.in(tenant);
  const personKey = await keptKey(path.join(folder, 'person.key.json'), `psn_${idOf('demo person')}`);
  const { d: _private, ...personJwk } = personKey.jwk as Record<string, unknown>;
  await inTenant.post('/v1/people', {
    id: personKey.client_id,
    name: 'Ada',
    jwk: JSON.stringify(personJwk),
    capabilities: personHolds,
  });
  const person = operator.as(personKey);

  const { jwk, publicJwk } = newKeyPair();
  const agentKey: Key = { client_id: `agt_${randomUUID()}`, jwk };
  await person.post('/v1/agents', {
    id: agentKey.client_id,
    name: 'repository-reviewer',
    jwk: JSON.stringify(publicJwk),
    capabilities: agentHolds,
  });
  const agentKeyFile = path.join(folder, 'agent.key.json');
  await writeFile(agentKeyFile, JSON.stringify(agentKey), { mode: 0o600 });

  await connectFiles(person);
  const policies = await pushPolicies(person);
  return { tenant, person, agent: operator.as(agentKey), agentKeyFile, policies };
}

/** The reference file server of the MCP project, from npm, in a sandbox that sees one volume and nothing else. */
async function connectFiles(person: Rest): Promise<void> {
  const server = '/app/node_modules/@modelcontextprotocol/server-filesystem/dist/index.js';
  const stdio = {
    argv: ['node', server, '/reports'],
    mounts: [
      { source: path.join(root, 'node_modules'), target: '/app/node_modules', writable: false },
      { source: 'volume:reports', target: '/reports', writable: true },
    ],
  };
  await person.post('/v1/tool-servers', { name: 'files', spec: { stdio } });
  const { tools } = await person.get<{ tools: ToolEntry[] }>('/v1/tools?server=files');
  for (const { name, hash, state } of tools)
    if (state !== 'approved' && state !== 'gone') await person.post('/v1/tools:approve', { name, hash });
}

async function pushPolicies(person: Rest): Promise<{ version: string; policies: number }> {
  const folder = path.join(import.meta.dirname, 'policies');
  const files = [];
  for (const name of (await readdir(folder)).sort())
    files.push({ name, text: await readFile(path.join(folder, name), 'utf8') });
  return person.put('/v1/policies', { files, mode: 'POLICY_MODE_ENFORCE' });
}

async function keptKey(file: string, clientId: string): Promise<Key> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text !== undefined) return JSON.parse(text) as Key;
  const key: Key = { client_id: clientId, jwk: newKeyPair().jwk };
  await writeFile(file, JSON.stringify(key), { mode: 0o600 });
  return key;
}

/** The same UUID for the same name, so that the demo finds what it made before. */
function idOf(name: string): string {
  const hex = createHash('sha256').update(`writ ${name}`).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    '-',
  );
}
