/** Who works while services die: a tenant, a person who approves, an agent, two tool servers and the policies for all this. */
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { projectRoot } from '@writ/testkit';
import { newKeyPair, Rest } from '../../demo/rest.js';
import type { Journal } from './journal.js';
import type { FaultStack } from './stack.js';

export interface Cast {
  readonly person: Rest;
  readonly agent: Rest;
  readonly agentKeyFile: string;
  /** Of the memories. */
  readonly scope: string;
}

const policies = `
@id("work") permit (principal is Writ::Agent, action, resource)
  unless { resource == Writ::Tool::"files/write_file" };
@id("reports") @ask("May this be filed?")
permit (principal is Writ::Agent, action == Writ::Action::"tool.call", resource == Writ::Tool::"files/write_file");
@id("reading") permit (principal is Writ::Person, action == Writ::Action::"tool.call", resource == Writ::Tool::"files/read_text_file");
`;

const fileServer = '/app/node_modules/@modelcontextprotocol/server-filesystem/dist/index.js';

export async function castOf(stack: FaultStack, journal: Journal): Promise<Cast> {
  const operator = new Rest(stack.url, stack.operator);
  const tenant = `tnt_${randomUUID()}`;
  await operator.post('/v1/tenants', { id: tenant, name: 'faults' });
  const [personKey, agentKey] = [newKeyPair(), newKeyPair()];
  const { id } = await operator.in(tenant).post<{ id: string }>('/v1/people', {
    name: 'Ada',
    jwk: JSON.stringify(personKey.publicJwk),
    capabilities: [{ actions: ['*'] }],
  });
  const person = operator.as({ client_id: id, jwk: personKey.jwk });
  const made = await person.post<{ agent: { id: string } }>('/v1/agents', {
    name: 'errands',
    jwk: JSON.stringify(agentKey.publicJwk),
    capabilities: [
      { actions: ['run.*', 'worker.connect', 'tool.*', 'memory.*', 'sandbox.*', 'event.read', 'approval.read'] },
    ],
  });
  const agent = { client_id: made.agent.id, jwk: agentKey.jwk };
  const agentKeyFile = path.join(stack.folder, 'agent.key.json');
  await writeFile(agentKeyFile, JSON.stringify(agent), { mode: 0o600 });
  await connectTools(person, journal);
  await person.put('/v1/policies', { files: [{ name: 'all.cedar', text: policies }], mode: 'POLICY_MODE_ENFORCE' });
  return { person, agent: operator.as(agent), agentKeyFile, scope: 'errands' };
}

async function connectTools(person: Rest, journal: Journal): Promise<void> {
  const mounts = [
    { source: path.join(projectRoot, 'node_modules'), target: '/app/node_modules', writable: false },
    { source: 'volume:reports', target: '/reports', writable: true },
  ];
  await person.post('/v1/tool-servers', { name: 'journal', spec: { http: { url: journal.url } } });
  await person.post('/v1/tool-servers', {
    name: 'files',
    spec: { stdio: { argv: ['node', fileServer, '/reports'], mounts } },
  });
  for (const server of ['journal', 'files']) {
    const { tools } = await person.get<{ tools: { name: string; hash: string }[] }>(`/v1/tools?server=${server}`);
    for (const { name, hash } of tools) await person.post('/v1/tools:approve', { name, hash });
  }
}
