/** A whole stack with a process for each service, whose parts can be killed; PostgreSQL is ours, so that we can start it again. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { startPostgres, type PostgresServer } from '@writ/servers';
import { eventually, projectRoot, processesBelow, type HostProcess } from '@writ/testkit';
import type { Key } from '../../demo/rest.js';
import { environmentOf } from './host.js';

export const services = [
  'gateway',
  'identity',
  'policy',
  'scheduler',
  'sandbox-runner',
  'tools',
  'memory',
  'audit',
] as const;
export type Service = (typeof services)[number];

export interface FaultStack {
  readonly url: string;
  readonly operator: Key;
  /** Everything that it keeps is below it. */
  readonly folder: string;
  readonly pid: number;
  readonly postgres: PostgresServer;
  readonly natsUrl: string;
  readonly natsPassword: string;
  /** What it wrote on stderr. */
  readonly said: readonly string[];
  process(service: Service): HostProcess | undefined;
  /** SIGKILL. @returns false where the service is not up, because it is just being started again */
  kill(service: Service): boolean;
  /** One more, beside that of the stack; it ends with the stack or with this process. */
  addReplica(service: Service): Promise<void>;
  /** Resolves when every service is announced and ready. */
  complete(timeoutMs: number): Promise<void>;
  /** SIGTERM. @returns the exit code and how long that took */
  stop(): Promise<{ code: number | null; ms: number }>;
  remove(): Promise<void>;
}

/** @param natsUrl of a broker that whoever calls this may kill; without it the stack has its own */
export async function startFaultStack(toolHosts: string, natsUrl?: string): Promise<FaultStack> {
  const folder = await mkdtemp(path.join(tmpdir(), 'writ-faults-'));
  const postgres = await startPostgres({ dataDir: path.join(folder, 'postgres-outside') });
  const program = path.join(projectRoot, 'services/standalone/dist/main.js');
  const child = spawn(process.execPath, [program, '--processes', '--json', '--data', path.join(folder, 'data')], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      WRIT_POSTGRES_URL: postgres.url,
      ...(natsUrl !== undefined && { WRIT_NATS_URL: natsUrl }),
      WRIT_TOOL_HTTP_HOSTS: toolHosts,
      WRIT_SANDBOX_MOUNTS: path.join(projectRoot, 'node_modules'),
      WRIT_LOG_LEVEL: process.env['WRIT_LOG_LEVEL'] ?? 'warn',
    },
  });
  const said: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => said.push(line));
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const ready = await new Promise<{ url: string; operatorKeyFile: string }>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) =>
      resolve((JSON.parse(line) as { ready: never }).ready),
    );
    void ended.then((code) =>
      reject(new Error(`the stack ended with ${code} before it was ready\n${said.join('\n')}`)),
    );
  });
  const pid = child.pid as number;
  const replicas: ChildProcess[] = [];
  const main = (service: Service): string => path.join(projectRoot, `services/${service}/dist/main.js`);
  const find = (service: Service) => processesBelow(pid).find(({ command }) => command.endsWith(main(service)));
  const json = async (file: string) => JSON.parse(await readFile(file, 'utf8')) as never;
  return {
    url: ready.url,
    operator: await json(ready.operatorKeyFile),
    folder,
    pid,
    postgres,
    natsUrl: natsUrl ?? ((await json(path.join(folder, 'data/nats/nats.json'))) as { url: string }).url,
    natsPassword: ((await json(path.join(folder, 'data/secrets.json'))) as { natsPassword: string }).natsPassword,
    said,
    process: find,
    kill(service) {
      const found = find(service);
      if (found) process.kill(found.pid, 'SIGKILL');
      return found !== undefined;
    },
    async addReplica(service) {
      const like = find(service);
      if (!like) throw new Error(`${service} is not up`);
      const replica = spawn(process.execPath, [main(service)], {
        env: environmentOf(like),
        stdio: ['pipe', 'pipe', 'ignore'],
      });
      replicas.push(replica);
      await new Promise((resolve) => createInterface({ input: replica.stdout }).once('line', resolve));
    },
    complete: (timeoutMs) => complete(ready.url, timeoutMs),
    async stop() {
      for (const replica of replicas) replica.kill('SIGTERM');
      const began = performance.now();
      child.kill('SIGTERM');
      const code = await ended;
      return { code, ms: Math.round(performance.now() - began) };
    },
    async remove() {
      for (const replica of replicas) replica.kill('SIGKILL');
      child.kill('SIGKILL');
      await ended;
      await postgres.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** One replica of each service, ready. @throws Error that says who is not, and why */
async function complete(url: string, timeoutMs: number): Promise<void> {
  const everyService = async (): Promise<boolean> => {
    const response = await fetch(`${url}/health/services`);
    const { services: up } = (await response.json()) as { services: { service: string; ready: boolean }[] };
    const wrong = up.filter(({ ready }) => !ready);
    if (wrong.length > 0) throw new Error(JSON.stringify(wrong).slice(0, 2_000));
    const names = up.map(({ service }) => service).sort();
    if (names.join() !== [...services].sort().join()) throw new Error(`there are ${names.join(', ')}`);
    return true;
  };
  await eventually(everyService, { timeoutMs, everyMs: 200, what: 'one replica of each service is ready' });
}
