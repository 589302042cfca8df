/** Who works on a stack: a tenant, a person who approves, an agent with its key in a file. */
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { newKeyPair, Rest } from '../../demo/rest.js';
import type { FaultStack } from './stack.js';

/** Where they work, and who lets them in. */
export type Place = Pick<FaultStack, 'url' | 'operator' | 'folder'>;

export interface People {
  readonly person: Rest;
  readonly agent: Rest;
  readonly agentKeyFile: string;
}

export async function peopleOf(stack: Place): Promise<People> {
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
  const key = { client_id: made.agent.id, jwk: agentKey.jwk };
  const agentKeyFile = path.join(stack.folder, 'agent.key.json');
  await writeFile(agentKeyFile, JSON.stringify(key), { mode: 0o600 });
  return { person, agent: operator.as(key), agentKeyFile };
}
