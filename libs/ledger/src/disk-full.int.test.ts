import { expect, test } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startNats, type NatsServer } from '@writ/servers';
import { eventually, startSmallDisk, verifies, whyNoSmallDisk } from '@writ/testkit';
import { newId } from './domain.js';
import { Ledger, type Host } from './index.js';
import { add, counterModel } from './testing/counter.js';
import { judgeLog } from './testing/load.js';

const mebibyte = 1024 * 1024;
const text = 'x'.repeat(50_000);
const whyNot = await whyNoSmallDisk();

/** A service of one partition, and all that it was told is stored. */
async function counters(nats: NatsServer) {
  const ledger = await Ledger.connect({ servers: nats.url });
  const host = await ledger.host({ service: 'svc', partitions: 1, model: counterModel });
  await host.ready;
  const acknowledged = new Map<string, string>();
  const client = ledger.commands('svc');
  const send = async (more: { text?: string } = {}, timeoutMs = 30_000): Promise<void> => {
    const id = newId('cmd');
    const { position } = await client.send(add(1, { ...more, id }), { timeoutMs });
    acknowledged.set(id, position);
  };
  const untilRefused = async (): Promise<unknown> => {
    for (;;)
      try {
        await send({ text });
      } catch (error) {
        return error;
      }
  };
  return { ledger, host, send, untilRefused, acknowledged };
}

const stateOf = (host: Host): string | undefined => host.health().partitions[0]?.state;

test('a broker at its limit: changes are refused with a code, and go on when there is room, without a restart', async () => {
  verifies('ledger.disk_full');
  const dataDir = await mkdtemp(path.join(tmpdir(), 'writ-test-full-'));
  await using nats = await startNats({ dataDir, maxFileStore: 10 * mebibyte, scratch: true });
  const { ledger, host, send, untilRefused, acknowledged } = await counters(nats);
  await using _ = ledger;
  // Somebody else takes most of it.
  const jsm = await jetstreamManager(ledger.nc);
  await jsm.streams.add({ name: 'OTHER', subjects: ['other'] });
  for (let i = 0; i < 7; i++) await jetstream(ledger.nc).publish('other', new Uint8Array(mebibyte));

  expect(await untilRefused()).toMatchObject({ code: 'ledger.disk_full', message: expect.stringContaining('svc/00') });
  expect(acknowledged.size).toBeGreaterThan(10);
  await expect(send({}, 2_000)).rejects.toMatchObject({ code: 'ledger.disk_full' });
  // It is tried again and again meanwhile, and is `recovering` while it is.
  const failed = await eventually(() => host.health().partitions.find(({ state }) => state === 'failed'));
  expect(failed.detail).toContain('store');

  await jsm.streams.delete('OTHER');
  await eventually(() => stateOf(host) === 'owned');
  await send();
  const { lost, twice, events } = await judgeLog(ledger, 'svc', 1, acknowledged);
  expect({ lost, twice }).toEqual({ lost: [], twice: [] });
  const claims = host.health().partitions[0]?.epoch as number;
  expect(events).toBe(acknowledged.size + claims); // what was refused is not there
  await rm(dataDir, { recursive: true, force: true });
});

// nats-server freezes a stream whose write failed, until it is restarted itself. The service is not restarted.
const full =
  'a full disk: changes are refused with a code, nothing is lost, and they go on after room and a new broker';
test(whyNot === undefined ? full : `NOT RUN (${whyNot}): ${full}`, async () => {
  verifies('ledger.disk_full');
  if (whyNot !== undefined) return;
  await using disk = await startSmallDisk(24);
  const ballast = path.join(disk.folder, 'ballast');
  await writeFile(ballast, Buffer.alloc(16 * mebibyte));
  const dataDir = await mkdtemp(path.join(tmpdir(), 'writ-test-full-'));
  const storeDir = path.join(disk.folder, 'store');
  await using nats = await startNats({ dataDir, storeDir, maxFileStore: 1024 * mebibyte, scratch: true });
  const { ledger, host, send, untilRefused, acknowledged } = await counters(nats);
  await using _ = ledger;

  // What was on its way when the disk was full: nobody knows. What comes after it is known not to be stored.
  expect(await untilRefused()).toMatchObject({ code: expect.stringMatching(/^ledger\.(timeout|disk_full)$/) });
  await eventually(
    () =>
      expect(send({}, 1_000))
        .rejects.toMatchObject({ code: 'ledger.disk_full' })
        .then(() => true),
    {
      timeoutMs: 20_000,
    },
  );
  await rm(ballast);
  await nats.restart();
  await eventually(() => stateOf(host) === 'owned', { timeoutMs: 20_000 });
  await send();
  const { lost, twice } = await judgeLog(ledger, 'svc', 1, acknowledged);
  expect({ lost, twice }).toEqual({ lost: [], twice: [] });
});
