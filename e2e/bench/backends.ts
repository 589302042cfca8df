/** What a service needs to be measured: a broker, PostgreSQL, a ledger and a stand-in for identity. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { TestIdentity } from '@writ/enforcement/testing';
import { Ledger } from '@writ/ledger';
import { startNats, startPostgres } from '@writ/servers';

export interface BenchBackends extends AsyncDisposable {
  /** For everything that is written; it goes with them. */
  readonly folder: string;
  readonly ledger: Ledger;
  readonly identity: TestIdentity;
  /** Of a service that works on them. */
  readonly env: Readonly<Record<string, string>>;
}

export async function startBenchBackends(durability: 'fsync' | 'flush'): Promise<BenchBackends> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(path.join(tmpdir(), 'writ-bench-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const nats = stack.adopt(await startNats({ dataDir: path.join(folder, 'nats'), durability }), (each) => each.stop());
  const pg = await startPostgres({ dataDir: path.join(folder, 'pg'), durability });
  stack.defer(() => pg.stop());
  const ledger = stack.use(await Ledger.connect({ servers: nats.url, durability }));
  const identity = stack.adopt(await TestIdentity.start(ledger), (each) => each.stop());
  const env = {
    WRIT_NATS_URL: nats.url,
    WRIT_POSTGRES_URL: pg.url,
    WRIT_ISSUER: identity.issuer,
    WRIT_DATA: folder,
    WRIT_DURABILITY: durability,
    WRIT_LOG_LEVEL: 'error',
  };
  const whole = stack.move();
  return { folder, ledger, identity, env, [Symbol.asyncDispose]: () => whole.disposeAsync() };
}
