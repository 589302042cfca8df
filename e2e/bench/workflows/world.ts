/** Writ as it is measured: a process for each service, one worker and one client, all of them processes of this machine. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { newKeyPair, Rest } from '../../demo/rest.js';
import { root, startStack, type OwnStack } from '../../demo/stack.js';
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
  /** One more scheduler, which nobody starts again. @returns what kills it (SIGKILL) */
  addScheduler(): Promise<() => void>;
}

const policies = 'permit (principal, action, resource);';

/** As `npm start -- --processes` starts services, and the README of the SDK says of workers. */
const SMALL_YOUNG = '--max-semi-space-size=8';

/** Lines of services that are shown; one trouble makes thousands. */
const SAID_MOST = 20;

/** A new stack with nothing in it. Shows what its services say, at level `warn`: in peace nothing. */
export async function startWorld(durability: Durability): Promise<World> {
  const all = new AsyncDisposableStack();
  try {
    const folder = await mkdtemp(path.join(tmpdir(), 'writ-bench-workflows-'));
    all.defer(() => rm(folder, { recursive: true, force: true }));
    let said = 0;
    const stack = await startStack(path.join(folder, 'data'), {
      flags: ['--processes'],
      env: { WRIT_DURABILITY: durability },
      say: (line) => void (said++ < SAID_MOST && process.stderr.write(`    ${line.slice(0, 500)}\n`)),
    });
    all.defer(() => stack.stop());
    const { person, keyFile } = await peopleOf(stack, folder);
    const env = { WRIT_URL: stack.url, WRIT_KEY_FILE: keyFile };
    const worker = all.use(await startProgram('worker.ts', env, [SMALL_YOUNG]));
    const client = all.use(await startProgram('client.ts', env));
    const replicas: number[] = [];
    const addScheduler = async () => {
      const [like] = rolesBelow(stack.pid).get('scheduler') ?? [];
      if (like === undefined) throw new Error('the scheduler is not up');
      const replica = await startReplica(like);
      replicas.push(replica.pid);
      all.defer(replica.kill);
      return () => {
        replicas.splice(replicas.indexOf(replica.pid), 1);
        replica.kill();
      };
    };
    return {
      stack,
      worker,
      client,
      person,
      get roles() {
        const roles = rolesBelow(stack.pid).set('worker', [worker.pid]).set('client', [client.pid]);
        return roles.set('scheduler', [...(roles.get('scheduler') ?? []), ...replicas]);
      },
      addScheduler,
      [Symbol.asyncDispose]: () => all.disposeAsync(),
    };
  } catch (error) {
    await all.disposeAsync();
    throw error;
  }
}

async function startReplica(like: number): Promise<{ pid: number; kill: () => void }> {
  const environment = readFileSync(`/proc/${like}/environ`, 'utf8').split('\0').filter(Boolean);
  const env = environment.map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]);
  const replica = spawn(process.execPath, [SMALL_YOUNG, path.join(root, 'services/scheduler/dist/main.js')], {
    env: Object.fromEntries(env),
    stdio: ['pipe', 'pipe', 'ignore'], // it ends with its standard input, thus with this process
  });
  await once(createInterface({ input: replica.stdout }), 'line');
  return { pid: replica.pid as number, kill: () => void replica.kill('SIGKILL') };
}

/** A tenant with a person who may do everything, and an agent's key. @param holds what the agent may do */
export async function peopleOf(
  stack: OwnStack,
  folder: string,
  holds: readonly string[] = ['run.*', 'worker.connect'],
): Promise<{ person: Rest; keyFile: string }> {
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
    capabilities: [{ actions: holds }],
  });
  const keyFile = path.join(folder, 'agent.key.json');
  await writeFile(keyFile, JSON.stringify({ client_id: agent.id, jwk: agentKey.jwk }), { mode: 0o600 });
  return { person, keyFile };
}
