import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { eventually, startBackends, verifies, type Backends } from '@writ/testkit';
import { DataSource, type EntityManager } from 'typeorm';
import { Ledger, type Host, type Projection } from '../index.js';
import { Tail } from '../host/tail.js';
import type { LedgerSource } from '../source.js';
import { CollectedLog } from '../testing/collect-log.js';
import { add, counterModel } from '../testing/counter.js';
import { startProxy, type Proxy } from '../testing/proxy.js';
import { Checkpoints } from './checkpoints.js';
import { ProjectionRunner } from './runner.js';
import { ProjectionWriter } from './writer.js';

const table =
  'CREATE TABLE IF NOT EXISTS totals (subject text PRIMARY KEY, total integer NOT NULL, events integer NOT NULL)';

/** Not idempotent on purpose: an event that is applied twice shows. */
const totals: Projection = {
  name: 'totals',
  events: ['counter.added.v1'],
  async apply(events, manager) {
    for (const { event } of events) {
      const { by, text } = event.data as { by: number; text?: string };
      await manager.query(
        `INSERT INTO totals VALUES ($1, $2, 1)
         ON CONFLICT (subject) DO UPDATE SET total = totals.total + $2, events = totals.events + 1`,
        [event.subject, by],
      );
      if (text === 'poison') throw new Error('this event is poison');
    }
  },
  reset: async (_partition: number, manager: EntityManager) => void (await manager.query('DELETE FROM totals')),
};
const other: Projection = { ...totals, name: 'other', apply: async () => undefined };

describe('a projection', () => {
  let backends: Backends;
  let wire: Proxy;
  let dataSource: DataSource;
  let ledger: Ledger;
  let log: CollectedLog;
  let service: string;
  let services = 0;

  beforeAll(async () => {
    backends = await startBackends();
    wire = await startProxy(backends.postgresUrl);
    const url = new URL(backends.postgresUrl);
    url.host = wire.host;
    dataSource = new DataSource({ type: 'postgres', url: url.href });
    await dataSource.initialize();
  });
  afterAll(async () => {
    await ledger.drain();
    await dataSource.destroy();
    await wire[Symbol.asyncDispose]();
    await backends.stop();
  });
  beforeEach(async () => {
    await ledger?.drain();
    log = new CollectedLog();
    ledger = await Ledger.connect({ servers: backends.nats.url, log });
    service = `svc${++services}`;
    await dataSource.query('DROP TABLE IF EXISTS totals');
    await dataSource.query('DROP TABLE IF EXISTS ledger_checkpoint');
    await dataSource.query(table);
  });

  const start = async (projections: Projection[] = [totals]): Promise<Host> => {
    const host = await ledger.host({ service, partitions: 2, model: counterModel, projections, dataSource });
    await host.ready;
    return host;
  };
  const rows = (): Promise<unknown[]> => dataSource.query('SELECT subject, total, events FROM totals ORDER BY subject');
  const send = async (count: number, text?: string): Promise<string> => {
    const client = ledger.commands(service);
    let last = '';
    for (let i = 0; i < count; i++)
      last = (await client.send(add(i + 1, { subject: 'cnt_a', ...(text === undefined ? {} : { text }) }))).position;
    return last;
  };

  test('writes rows and checkpoint; a reader waits for its own write', async () => {
    verifies('ledger.read_your_writes');
    const host = await start();
    expect(await host.waitFor('totals', await send(20), 5_000)).toBe(true);
    expect(await rows()).toEqual([{ subject: 'cnt_a', total: 210, events: 20 }]);
    const [, partition = '', commit = ''] = (await send(1)).split('/');
    expect(await host.waitFor('totals', `${service}/${partition}/${Number(commit) + 5}/0`, 100)).toBe(false);
    await expect(host.waitFor('nope', `${service}/00/1/0`, 100)).rejects.toThrow(/no projection 'nope'/);
  });

  test('commits that two owners apply at once are applied once', async () => {
    verifies('ledger.delivered_twice');
    await start([]);
    await send(50);
    const partition = (await send(50)).split('/')[1] === '00' ? 0 : 1;
    const address = { service, partition };
    const head = await ledger.last(service, partition);
    const checkpoints = new Checkpoints(dataSource);
    await checkpoints.prepare();
    // Both read the same log from the same checkpoint, as a paused owner and its successor do.
    const source = (ledger as unknown as { source: LedgerSource }).source;
    const waiting = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`;
    const together: Projection = {
      ...totals,
      async apply(events, manager) {
        // Only goes on when the other one is at the same checkpoint too.
        await eventually(async () => (await dataSource.query<unknown[]>(waiting)).length > 0);
        await totals.apply(events, manager);
      },
    };
    const runners = [1, 2].map(() => {
      const writer = new ProjectionWriter(together, checkpoints);
      return new ProjectionRunner(writer, address, { tail: new Tail(source, address, head), log });
    });
    await eventually(() => runners.every((runner) => runner.health().commit === head));
    await Promise.all(runners.map((runner) => runner.stop()));
    expect(await rows()).toEqual([{ subject: 'cnt_a', total: 2 * 1275, events: 100 }]);
  });

  test('a restart goes on from the checkpoint; a new version is built again and gives the same rows', async () => {
    verifies('ledger.rebuild_view');
    const first = await start();
    await first.waitFor('totals', await send(30), 5_000);
    const before = await rows();
    await ledger.drain();
    ledger = await Ledger.connect({ servers: backends.nats.url, log });
    const second = await start();
    await second.waitFor('totals', await send(1), 5_000);
    await ledger.drain();
    ledger = await Ledger.connect({ servers: backends.nats.url, log });
    const third = await start([{ ...totals, version: 2 }]);
    await third.waitFor('totals', await send(1), 5_000);
    expect(before).toEqual([{ subject: 'cnt_a', total: 465, events: 30 }]);
    expect(await rows()).toEqual([{ subject: 'cnt_a', total: 467, events: 32 }]);
  });

  test('a poison event parks only its projection, keeps what was before it, and is told in health', async () => {
    verifies('ledger.poison');
    const host = await start([totals, other]);
    await host.waitFor('totals', await send(3), 5_000);
    const poison = await send(1, 'poison');
    const after = await send(2);
    expect(await host.waitFor('other', after, 5_000)).toBe(true);
    await eventually(() => host.health().projections.some(({ parked }) => parked));
    const [parked, ...rest] = host.health().projections.filter((projection) => projection.parked);
    expect(rest).toEqual([]);
    expect(parked).toMatchObject({ name: 'totals', lag: 3, parked: expect.stringContaining('this event is poison') });
    expect(parked?.parked).toContain(`commit ${poison.split('/')[2]}`);
    expect(await rows()).toEqual([{ subject: 'cnt_a', total: 6, events: 3 }]);
    expect(await host.waitFor('totals', after, 300)).toBe(false);

    // Mended code goes on where it stopped.
    await ledger.drain();
    ledger = await Ledger.connect({ servers: backends.nats.url, log });
    const mended: Projection = { ...totals, apply: (events, m) => totals.apply(events.map(mend), m) };
    const again = await start([mended]);
    expect(await again.waitFor('totals', after, 5_000)).toBe(true);
    expect(await rows()).toEqual([{ subject: 'cnt_a', total: 6 + 1 + 3, events: 6 }]);
    expect(again.health().projections.every((projection) => projection.parked === undefined)).toBe(true);
  });

  test('a database that is away is waited for, and nothing is lost or parked', async () => {
    const host = await start();
    await host.waitFor('totals', await send(3), 5_000);
    wire.down();
    const position = await send(3);
    await eventually(() => log.has('a projection starts again'));
    wire.up();
    expect(await host.waitFor('totals', position, 20_000)).toBe(true);
    expect(await rows()).toEqual([{ subject: 'cnt_a', total: 12, events: 6 }]);
  });
});

type Applied = Parameters<Projection['apply']>[0][number];
function mend({ event, position }: Applied): Applied {
  const { by } = event.data as { by: number };
  return { event: { ...event, data: { by } }, position };
}
