import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startNats, startPostgres } from '@writ/servers';
import { eventually } from '@writ/testkit';
import { startProgram } from '../tool-gateway.js';
import { runSuite, suites, type Scenario } from './suite.js';
import { TokenProxy } from './token-proxy.js';

/** What the suite's newer version says of the authorization server as it is deployed. Older ones have no such scenarios. */
export async function checkAuthorizationServer(durability: 'fsync' | 'flush'): Promise<Scenario[]> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(path.join(tmpdir(), 'writ-conformance-identity-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const nats = await startNats({ dataDir: path.join(folder, 'nats'), durability });
  stack.defer(() => nats.stop());
  const postgres = await startPostgres({ dataDir: path.join(folder, 'pg'), durability });
  stack.defer(() => postgres.stop());
  // The issuer is an address before there is a service behind it.
  const door = stack.use(await TokenProxy.start());
  const issuer = `${door.url}/oauth`;
  const identity = stack.use(
    await startProgram(['services/identity/dist/main.js'], {
      WRIT_NATS_URL: nats.url,
      WRIT_POSTGRES_URL: postgres.url,
      WRIT_ISSUER: issuer,
      WRIT_DATA: folder,
      WRIT_LOG_LEVEL: 'error',
    }),
  );
  door.leadTo(identity.url);
  await eventually(async () => (await fetch(`${issuer}/jwks`)).ok, {
    what: 'the authorization server has its keys',
    timeoutMs: 60_000,
  });
  const suite = suites.at(-1) as (typeof suites)[number];
  return await runSuite(suite, ['--url', issuer], 'authorization');
}
