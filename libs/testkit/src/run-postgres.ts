import { randomBytes } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startPostgres, type PostgresServer } from '@writ/servers';
import { postgresContainer, useContainers } from './containers.js';

/** A PostgreSQL of its own, on scratch data, without fsync. */
export async function privatePostgres(): Promise<PostgresServer> {
  if (await useContainers()) return postgresContainer();
  const dataDir = await mkdtemp(path.join(tmpdir(), 'writ-test-postgres-'));
  return startPostgres({ dataDir, scratch: true, durability: 'flush' });
}

/**
 * The one PostgreSQL of a test run: `WRIT_POSTGRES_URL`, else the one that the test runner lends, which starts when the
 * first suite asks, so that a run of unit tests starts none and twenty suites start one.
 */
export async function runPostgresUrl(): Promise<string | undefined> {
  const given = process.env['WRIT_POSTGRES_URL'];
  if (given) return given;
  const door = process.env['WRIT_TEST_POSTGRES'];
  return door === undefined ? undefined : ask(door);
}

async function ask(door: string): Promise<string> {
  const [port, secret] = door.split(' ');
  const text = await new Promise<string>((resolve, reject) => {
    let received = '';
    const socket = connect({ host: '127.0.0.1', port: Number(port) }, () => socket.write(`${secret}\n`));
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => (received += chunk));
    socket.once('end', () => resolve(received));
    socket.once('error', reject);
  });
  const { url, error } = JSON.parse(text) as { url?: string; error?: string };
  if (url === undefined) throw new Error(`the test run's PostgreSQL did not start: ${error ?? 'no reason given'}`);
  return url;
}

/** What the test runner holds for the length of a run. */
export interface PostgresLender extends AsyncDisposable {
  /** Where suites ask, and with which secret; they find it in `WRIT_TEST_POSTGRES`. */
  readonly door: string;
}

/** Answers whoever knows the secret with the URL of one PostgreSQL, which the first of them starts. */
export async function lendPostgres(): Promise<PostgresLender> {
  const secret = randomBytes(16).toString('hex');
  let starting: Promise<PostgresServer> | undefined;
  // A port and not a socket file: a run that is killed would leave the file.
  const server = createServer((socket) => {
    socket.on('error', () => {}); // a suite that went away
    socket.once('data', (data) => {
      if (data.toString() !== `${secret}\n`) return socket.destroy();
      return (starting ??= privatePostgres()).then(
        ({ url }) => socket.end(JSON.stringify({ url })),
        (error: unknown) => socket.end(JSON.stringify({ error: String(error) })),
      );
    });
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  server.unref();
  return {
    door: `${(server.address() as AddressInfo).port} ${secret}`,
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => server.close(resolve));
      const postgres = await starting?.catch(() => undefined);
      await postgres?.stop();
    },
  };
}
