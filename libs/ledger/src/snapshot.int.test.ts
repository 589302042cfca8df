import { Kvm } from '@nats-io/kv';
import { Objm } from '@nats-io/obj';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { NatsServer } from '@writ/servers';
import { startSuiteNats, verifies } from '@writ/testkit';
import { aggregates, type PartitionModel } from './domain.js';
import { Ledger } from './index.js';
import { CollectedLog } from './testing/collect-log.js';
import { add, counter, counterModel, totalOf } from './testing/counter.js';
import { testedServers } from './testing/servers.js';

interface Pointer {
  commit: number;
  blob: string;
}

describe.each(await testedServers())('snapshots on nats-server %s', (_, binary) => {
  let nats: NatsServer;
  let ledger: Ledger;
  let log: CollectedLog;
  let service: string;
  let model: PartitionModel;
  let services = 0;

  beforeAll(async () => {
    nats = await startSuiteNats({ binary });
  });
  afterAll(async () => {
    await ledger.drain();
    await nats.stop();
  });
  beforeEach(async () => {
    await ledger?.drain();
    service = `svc${++services}`;
    await own();
    const client = ledger.commands(service);
    await Promise.all(
      Array.from({ length: 1500 }, (_, i) => client.send(add(i % 5, { subject: `cnt_${i % 100}`, id: `cmd_${i}` }))),
    );
  });

  /** The partition again, in a new owner. @returns what it says of its recovery */
  const own = async (make: () => PartitionModel = counterModel) => {
    await ledger?.drain();
    log = new CollectedLog();
    ledger = await Ledger.connect({ servers: nats.url, log });
    const onOwned = (_partition: number, handle: { model: PartitionModel }): void => void (model = handle.model);
    const host = await ledger.host({ service, partitions: 1, model: make, onOwned });
    await host.ready;
    const owned = log.entries.findLast(({ message }) => message === 'partition owned');
    return owned?.fields as { snapshot: number; replayed: number };
  };
  const pointer = async (): Promise<Pointer> => {
    const entry = await (await new Kvm(ledger.nc).open('ledger')).get(`snapshot.${service}.00`);
    return entry?.json<Pointer>() as Pointer;
  };

  /** Puts the snapshot of another partition in the place of this one's. */
  const anothers = async (commits: number): Promise<void> => {
    const other = `${service}x`;
    const host = await ledger.host({ service: other, partitions: 1, model: counterModel });
    await host.ready;
    for (let i = 0; i < commits; i++) await ledger.commands(other).send(add(1, { parts: 1500 }));
    await host.stop();
    const kv = await new Kvm(ledger.nc).open('ledger');
    await kv.put(`snapshot.${service}.00`, (await kv.get(`snapshot.${other}.00`))?.value ?? '');
  };

  test('a new owner goes on from the snapshot and the tail, with the same state and the same ids', async () => {
    verifies('ledger.snapshot');
    const before = model.snapshot();
    expect(await own()).toMatchObject({ snapshot: expect.any(Number), replayed: 1 });
    expect((await pointer()).commit).toBeGreaterThan(1);
    expect(model.snapshot()).toEqual(before);
    expect(await ledger.commands(service).send(add(1, { subject: 'cnt_1', id: 'cmd_1' }))).toMatchObject({
      duplicate: true,
    });
    expect(model.snapshot()).toEqual(before);
  });

  test.each<[string, () => Promise<(() => PartitionModel) | void>]>([
    ['of another version of the model', async () => aggregates([{ ...counter, version: 2 }])],
    [
      'that is corrupt',
      async () => {
        const blobs = await new Objm(ledger.nc).open(`snapshots-${service}`);
        const { blob } = await pointer();
        await blobs.putBlob({ name: blob.slice('sha256:'.length) }, Buffer.from('{"part":"header"}\n'));
      },
    ],
    ['that is gone', async () => void (await (await new Objm(ledger.nc).open(`snapshots-${service}`)).destroy())],
    // At a commit that exists here too, and at one that does not: as if the broker had lost the end of the log.
    ['that is not of this log', () => anothers(1)],
    ['that is ahead of the log', () => anothers(20)],
  ])('one %s is not used: the log is read from its start', async (_name, spoil) => {
    verifies('ledger.snapshot');
    const total = totalOf(model, 'cnt_7');
    await ledger.drain();
    log = new CollectedLog();
    ledger = await Ledger.connect({ servers: nats.url, log });
    const make = (await spoil()) ?? counterModel;
    expect(await own(make)).toMatchObject({ replayed: expect.any(Number) });
    const owned = log.entries.findLast(({ message }) => message === 'partition owned');
    expect((owned?.fields as { replayed: number }).replayed).toBeGreaterThan(1000);
    expect(totalOf(model, 'cnt_7')).toBe(total);
    expect(log.entries.some(({ message }) => /snapshot is not|before the snapshot/.test(message))).toBe(true);
  });
});
