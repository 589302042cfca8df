/**
 * DBOS with the settings it is shipped with, on a PostgreSQL like Writ's. Its worker is its engine: the client asks it over HTTP, and the
 * answer is the result. Its own way from another process, a queue in the database, is polled and slower.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort, startPostgres } from '@writ/servers';
import { startProgram } from '../program.js';
import { rolesBelow } from '../processes.js';
import type { Peer } from './peer.js';

export async function startDbos(): Promise<Peer> {
  const all = new AsyncDisposableStack();
  try {
    const folder = await mkdtemp(path.join(tmpdir(), 'writ-bench-dbos-'));
    all.defer(() => rm(folder, { recursive: true, force: true }));
    const postgres = await startPostgres({ dataDir: path.join(folder, 'postgres') });
    all.defer(() => postgres.stop());
    const state = await readFile(path.join(folder, 'postgres/postgres.json'), 'utf8');
    const { pid } = JSON.parse(state) as { pid: number };
    const port = String(await freePort());
    const worker = all.use(await startProgram('peers/dbos-worker.ts', { PORT: port, DATABASE: postgres.url }));
    const client = all.use(await startProgram('peers/dbos-client.ts', { WORKER: `http://127.0.0.1:${port}` }));
    const whole = all.move();
    return {
      client,
      // Backends come and go; the pools are full after the warm-up.
      get roles() {
        const backends = rolesBelow(pid).get('postgres') ?? [];
        return new Map([
          ['postgres', [pid, ...backends]],
          ['worker', [worker.pid]],
          ['client', [client.pid]],
        ]);
      },
      [Symbol.asyncDispose]: () => whole.disposeAsync(),
    };
  } catch (error) {
    await all.disposeAsync();
    throw error;
  }
}
