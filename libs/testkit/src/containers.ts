import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { freePort, natsConfiguration, type NatsServer, type PostgresServer } from '@writ/servers';
import type { GenericContainer, StartedTestContainer } from 'testcontainers';
import type { BackendOptions } from './backends.js';

const images = {
  nats: process.env['WRIT_TEST_NATS_IMAGE'] ?? 'nats:2.15-alpine',
  postgres: process.env['WRIT_TEST_POSTGRES_IMAGE'] ?? 'postgres:18-alpine',
};

/** Decided once a process: by `WRIT_TEST_BACKENDS`, else by whether Docker answers. */
export async function useContainers(): Promise<boolean> {
  const wanted = process.env['WRIT_TEST_BACKENDS'];
  return wanted === undefined ? (answer ??= dockerAnswers()) : wanted === 'containers';
}
let answer: Promise<boolean> | undefined;

/** True where a Docker daemon listens; looked at before the client library, which takes half a second to load. */
async function dockerAnswers(): Promise<boolean> {
  const named = process.env['DOCKER_HOST'];
  if (named !== undefined && !named.startsWith('unix://')) return true;
  const socketPath = named?.slice('unix://'.length) ?? '/var/run/docker.sock';
  if (!existsSync(socketPath)) return false;
  return new Promise((resolve) => {
    const socket = connect(socketPath, () => settle(true));
    const settle = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('error', () => settle(false));
  });
}

/** nats-server in a container; the same handle as a child process gives. */
export async function natsContainer(options: BackendOptions): Promise<NatsServer> {
  const { GenericContainer, Wait } = await import('testcontainers');
  const durability = options.durability ?? 'flush';
  const port = await freePort();
  const content = natsConfiguration({
    name: `writ-${randomUUID()}`,
    host: '0.0.0.0',
    port: 4222,
    storeDir: '/data',
    durability,
    users: options.users,
  });
  const container = new GenericContainer(images.nats)
    .withCopyContentToContainer([{ content, target: '/writ.conf' }])
    .withCommand(['--config', '/writ.conf'])
    .withExposedPorts({ container: 4222, host: port }) // fixed: a random one changes when it is started again
    .withWaitStrategy(Wait.forListeningPorts());
  const version = /:(\d+\.\d+(\.\d+)?)/.exec(images.nats)?.[1] ?? 'unknown';
  return handle(container, { url: `nats://127.0.0.1:${port}`, version, durability });
}

/** PostgreSQL in a container; the same handle as a child process gives. */
export async function postgresContainer(): Promise<PostgresServer> {
  const { GenericContainer, Wait } = await import('testcontainers');
  const port = await freePort();
  const password = randomBytes(24).toString('hex');
  const container = new GenericContainer(images.postgres)
    .withEnvironment({ POSTGRES_USER: 'writ', POSTGRES_PASSWORD: password, POSTGRES_DB: 'writ' })
    .withCommand(['postgres', '-c', 'fsync=off', '-c', 'synchronous_commit=off'])
    .withExposedPorts({ container: 5432, host: port })
    // It starts twice: once to make the cluster, once to serve.
    .withWaitStrategy(Wait.forLogMessage(/database system is ready to accept connections/, 2));
  const url = `postgres://writ:${password}@127.0.0.1:${port}/writ`;
  return handle(container, { url, version: images.postgres, durability: 'flush' });
}

interface Facts {
  url: string;
  version: string;
  durability: 'fsync' | 'flush';
}

async function handle(definition: GenericContainer, facts: Facts): Promise<NatsServer & PostgresServer> {
  const { getContainerRuntimeClient } = await import('testcontainers');
  const started: StartedTestContainer = await definition.start();
  const client = await getContainerRuntimeClient();
  const container = client.container.getById(started.getId());
  const { State } = await client.container.inspect(container);
  let running = true;
  const stop = async (): Promise<void> => {
    running = false;
    await started.stop({ remove: true, removeVolumes: true });
  };
  return {
    ...facts,
    pid: State.Pid,
    get running() {
      return running;
    },
    stop,
    async kill() {
      running = false;
      await container.kill();
    },
    pause: async () => container.pause(),
    resume: async () => container.unpause(),
    async restart() {
      await container.restart();
      running = true;
    },
    [Symbol.asyncDispose]: stop,
  };
}
