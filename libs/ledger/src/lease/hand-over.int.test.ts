import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { NatsServer } from '@writ/servers';
import { eventually, startSuiteNats, verifies } from '@writ/testkit';
import { Ledger, type Host } from '../index.js';
import { leaseTtlMs } from './others.js';
import { add, counterModel, totalOf } from '../testing/counter.js';
import { testedServers } from '../testing/servers.js';

describe.each(await testedServers())('replicas on nats-server %s', (_, binary) => {
  let nats: NatsServer;
  let service: string;
  let services = 0;
  let open: Ledger[] = [];

  beforeAll(async () => {
    nats = await startSuiteNats({ binary });
  });
  afterAll(async () => {
    await Promise.all(open.map((ledger) => ledger.drain()));
    await nats.stop();
  });
  beforeEach(async () => {
    await Promise.all(open.map((ledger) => ledger.drain()));
    open = [];
    service = `svc${++services}`;
  });

  const lost: string[] = [];
  const join = async (): Promise<{ ledger: Ledger; host: Host }> => {
    const ledger = await Ledger.connect({ servers: nats.url });
    open.push(ledger);
    const host = await ledger.host({
      service,
      partitions: 8,
      model: counterModel,
      onOwned: (partition) => void lost.push(`+${partition}`),
      onLost: (partition) => void lost.push(`-${partition}`),
    });
    await host.ready;
    return { ledger, host };
  };
  /** Each has its owner, and it is not one replica for all (chance may leave one of three without any). */
  const shared = (hosts: Host[]): boolean => {
    const owned = hosts.map((host) => host.owned());
    const all = owned.flat().toSorted((a, b) => a - b);
    return all.join() === '0,1,2,3,4,5,6,7' && owned.every((some) => some.length < 8);
  };

  test('share the partitions, hand them over when one joins or leaves, and lose no command meanwhile', async () => {
    verifies('ledger.hand_over');
    const first = await join();
    expect(first.host.owned()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    const client = await Ledger.connect({ servers: nats.url });
    open.push(client);
    const counters = client.commands(service, { partitions: 8 });
    const stop = new AbortController();
    let sent = 0;
    let slowestMs = 0;
    const loads = Array.from({ length: 16 }, async (_, i) => {
      while (!stop.signal.aborted) {
        const started = performance.now();
        await counters.send(add(1, { subject: `cnt_${i}` }));
        slowestMs = Math.max(slowestMs, performance.now() - started);
        sent++;
      }
    });
    await eventually(() => sent > 100);
    const others = [await join(), await join()];
    await eventually(() => shared([first, ...others].map(({ host }) => host)));
    const atThree = sent;
    await eventually(() => sent > atThree + 100);
    await others[0]?.ledger.drain();
    await first.ledger.drain();
    await eventually(() => others[1]?.host.owned().length === 8);
    const atOne = sent;
    await eventually(() => sent > atOne + 100);
    stop.abort();
    await Promise.all(loads);
    // A hand-over is not a failure: nobody waits for a lease to run out.
    expect(slowestMs).toBeLessThan(leaseTtlMs);

    let total = 0;
    for (let partition = 0; partition < 8; partition++) {
      const model = counterModel();
      for await (const { commit, events } of client.read(service, partition))
        for (const [index, event] of events.entries()) model.evolve(event, { commit, index });
      for (let i = 0; i < 16; i++) total += totalOf(model, `cnt_${i}`);
    }
    expect(total).toBe(sent);
  });
});
