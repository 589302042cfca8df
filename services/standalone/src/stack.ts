import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { brokerUsers, servicePermissions, type BrokerUser } from '@writ/ledger';
import { freePort, isFree, startNats, startPostgres } from '@writ/servers';
import { claimFolder } from './claim.js';
import type { Config } from './config.js';
import { publicJwk, saveSecrets, secretsOf, type Secrets } from './secrets.js';
import { startServices, type Env, type ServiceStarter } from './services.js';

/** A stack that serves. */
export interface Stack {
  /** Base of the HTTP door: REST, OAuth, MCP, Git, events. */
  readonly url: string;
  readonly grpc: string;
  readonly durability: 'fsync' | 'flush';
  readonly natsServer: string;
  /** Private key of the operator, for `writ` and the SDK. */
  readonly operatorKeyFile: string;
  stop(): Promise<void>;
}

/** Starts nats-server, PostgreSQL and every service, in this order, and stops them in the other. */
export async function startStack(config: Config, starter: ServiceStarter, say: (line: string) => void): Promise<Stack> {
  const undo: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    const failed: unknown[] = [];
    for (const step of undo.splice(0).reverse()) await step().catch((error: unknown) => failed.push(error)); // the rest is stopped all the same
    if (failed.length > 0) throw new AggregateError(failed, failed.map((error) => (error as Error).message).join('; '));
  };
  try {
    undo.push(await claimFolder(config.dataDir));
    const file = path.join(config.dataDir, 'stack.json');
    await rm(file, { force: true }); // of one that was killed: nobody serves there any more
    const secrets = await secretsOf(config.dataDir);
    const [nats, postgres] = await Promise.all([natsOf(config, secrets, undo), postgresOf(config, undo)]);
    say(`nats-server ${nats.version} (durability ${nats.durability}), PostgreSQL ${postgres.version}`);
    const envAt = (port: number) => ({
      ...config.forServices,
      WRIT_NATS_URL: nats.url,
      WRIT_POSTGRES_URL: postgres.url,
      WRIT_DURABILITY: nats.durability,
      WRIT_DATA: config.dataDir,
      WRIT_LOG_LEVEL: config.logLevel,
      WRIT_ISSUER: `${urlOf(port)}/oauth`,
      WRIT_OPERATOR_JWK: JSON.stringify(publicJwk(secrets.operatorJwk)),
      WRIT_SERVICE_JWKS: JSON.stringify({ svc_tools: publicJwk(secrets.toolsJwk) }),
      WRIT_PUBLIC_URL: urlOf(port),
      WRIT_GATEWAY_PORT: String(port),
    });
    const own = Object.fromEntries(brokerUsers.map((name) => [name, nats.credentials(name)])) as Record<
      BrokerUser,
      Env
    >;
    own.tools['WRIT_SERVICE_KEY'] = JSON.stringify(secrets.toolsJwk);
    const start = (port: number) => startServices(starter, envAt(port), own, undo, say);
    const { port, started: services } = await onAPort(config.port, secrets.port, start, say);
    await saveSecrets(config.dataDir, { ...secrets, port });
    const ready = {
      url: urlOf(port),
      grpc: services.gateway.grpcUrl,
      durability: nats.durability,
      natsServer: nats.version,
      operatorKeyFile: path.join(config.dataDir, 'operator.key.json'),
    };
    await writeFile(file, JSON.stringify({ ...ready, pid: process.pid }), { mode: 0o600 });
    undo.push(() => rm(file, { force: true }));
    return { ...ready, stop };
  } catch (error) {
    await stop().catch(() => {}); // why it did not start says more
    throw error;
  }
}

const urlOf = (port: number): string => `http://127.0.0.1:${port}`;

/**
 * Starts on the port that was asked for. Otherwise on that of last time, so that links stay good, or another one where
 * somebody has taken it: before, or while everything starts, as an outgoing connection may.
 */
async function onAPort<T>(
  asked: number | undefined,
  last: number | undefined,
  start: (port: number) => Promise<T>,
  say: (line: string) => void,
): Promise<{ port: number; started: T }> {
  if (asked) return { port: asked, started: await start(asked) };
  const isKept = asked === undefined && last !== undefined;
  if (isKept && (await isFree(last))) {
    const started = await start(last).catch((error: unknown) => {
      if (!String(error).includes('EADDRINUSE')) throw error;
    });
    if (started) return { port: last, started };
  }
  if (isKept) say(`port ${last} of last time is taken; another one is used`);
  const port = await freePort();
  return { port, started: await start(port) };
}

interface Nats {
  url: string;
  version: string;
  durability: 'fsync' | 'flush';
  /** What one service connects with. */
  credentials(service: BrokerUser): Env;
}

async function natsOf(config: Config, secrets: Secrets, undo: (() => Promise<void>)[]): Promise<Nats> {
  if (config.natsUrl !== undefined)
    return {
      url: config.natsUrl,
      credentials: () => ({ WRIT_NATS_USER: config.natsUser, WRIT_NATS_PASS: config.natsPassword }),
      version: 'given by WRIT_NATS_URL',
      durability: config.durability ?? 'flush',
    };
  const server = await startNats({
    dataDir: path.join(config.dataDir, 'nats'),
    users: [
      { user: 'writ', password: secrets.natsPassword },
      ...brokerUsers.map((user) => ({
        user,
        password: secrets.natsPasswords[user],
        permissions: servicePermissions(user),
      })),
    ],
    ...(config.durability && { durability: config.durability }),
  });
  undo.push(() => server.stop());
  return {
    url: server.url,
    version: server.version,
    durability: server.durability,
    credentials: (service) => ({ WRIT_NATS_USER: service, WRIT_NATS_PASS: secrets.natsPasswords[service] }),
  };
}

async function postgresOf(config: Config, undo: (() => Promise<void>)[]) {
  if (config.postgresUrl !== undefined) return { url: config.postgresUrl, version: 'given by WRIT_POSTGRES_URL' };
  const server = await startPostgres({ dataDir: path.join(config.dataDir, 'postgres') });
  undo.push(() => server.stop());
  return server;
}
