import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startNats, startPostgres } from '@writ/servers';
import { defineBench } from './bench.js';

export const bench = defineBench({
  name: 'servers',
  about: 'what the embedded stack waits for: nats-server and PostgreSQL, on no data and on their own',
  doesNotMeasure: ['recovery of large streams or of a database that was killed'],
  async run({ durability }) {
    const folder = await mkdtemp(path.join(tmpdir(), 'writ-bench-servers-'));
    try {
      const nats = (): Promise<number> => timeToServe(startNats({ dataDir: path.join(folder, 'nats'), durability }));
      const postgres = (): Promise<number> =>
        timeToServe(startPostgres({ dataDir: path.join(folder, 'pg'), durability }));
      return [
        { name: 'natsFirstStartMs', value: await nats(), unit: 'ms' },
        { name: 'natsStartMs', value: await nats(), unit: 'ms' },
        { name: 'postgresFirstStartMs', value: await postgres(), unit: 'ms' },
        { name: 'postgresStartMs', value: await postgres(), unit: 'ms' },
      ];
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
});

async function timeToServe(starting: Promise<{ stop(): Promise<void> }>): Promise<number> {
  const begin = performance.now();
  const server = await starting;
  const elapsed = performance.now() - begin;
  await server.stop();
  return elapsed;
}
