/** Writ as it is measured: a process for each service, one worker and one client, all of them processes of this machine. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { newKeyPair, Rest } from '../../demo/rest.js';
import { startStack, type OwnStack } from '../../demo/stack.js';
import { rolesBelow, type Roles } from './processes.js';
import { startProgram, type Program } from './program.js';

export type Durability = 'fsync' | 'flush';

export interface World extends AsyncDisposable {
  readonly stack: OwnStack;
  readonly worker: Program;
  readonly client: Program;
  /** Who may do everything in the tenant. */
  readonly person: Rest;
  /** Of every process, with worker and client. */
  readonly roles: Roles;
}

const policies = 'permit (principal, action, resource);';

/** A new stack with nothing in it. */
export async function startWorld(durability: Durability): Promise<World> {
  const all = new AsyncDisposableStack();
  try {
    const folder = await mkdtemp(path.join(tmpdir(), 'writ-bench-workflows-'));
    all.defer(() => rm(folder, { recursive: true, force: true }));
    const said: string[] = [];
    const stack = await startStack(path.join(folder, 'data'), {
      flags: ['--processes'],
      env: { WRIT_DURABILITY: durability },
      say: (line) => void said.push(line),
    });
    all.defer(() => stack.stop());
    const { person, keyFile } = await peopleOf(stack, folder);
    const env = { WRIT_URL: stack.url, WRIT_KEY_FILE: keyFile };
    const worker = all.use(await startProgram('worker.ts', env));
    const client = all.use(await startProgram('client.ts', env));
    const whole = all.move();
    return {
      stack,
      worker,
      client,
      person,
      get roles() {
        return rolesBelow(stack.pid).set('worker', [worker.pid]).set('client', [client.pid]);
      },
      [Symbol.asyncDispose]: () => whole.disposeAsync(),
    };
  } catch (error) {
    await all.disposeAsync();
    throw error;
  }
}

async function peopleOf(stack: OwnStack, folder: string): Promise<{ person: Rest; keyFile: string }> {
  const operator = new Rest(stack.url, stack.operator);
  const { id: tenant } = await operator.post<{ id: string }>('/v1/tenants', { name: 'bench' });
  const [personKey, agentKey] = [newKeyPair(), newKeyPair()];
  const { id } = await operator.in(tenant).post<{ id: string }>('/v1/people', {
    name: 'Ada',
    jwk: JSON.stringify(personKey.publicJwk),
    capabilities: [{ actions: ['*'] }],
  });
  const person = operator.as({ client_id: id, jwk: personKey.jwk });
  await person.put('/v1/policies', { files: [{ name: 'all.cedar', text: policies }], mode: 'POLICY_MODE_ENFORCE' });
  const { agent } = await person.post<{ agent: { id: string } }>('/v1/agents', {
    name: 'bench',
    jwk: JSON.stringify(agentKey.publicJwk),
    capabilities: [{ actions: ['run.*', 'worker.connect'] }],
  });
  const keyFile = path.join(folder, 'agent.key.json');
  await writeFile(keyFile, JSON.stringify({ client_id: agent.id, jwk: agentKey.jwk }), { mode: 0o600 });
  return { person, keyFile };
}
