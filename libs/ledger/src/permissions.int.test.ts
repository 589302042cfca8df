import { jetstreamManager } from '@nats-io/jetstream';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { NatsServer } from '@writ/servers';
import { startSuiteNats, verifies } from '@writ/testkit';
import { streamName } from './domain.js';
import { Ledger, servicePermissions } from './index.js';
import { add, counterModel } from './testing/counter.js';
import { testedServers } from './testing/servers.js';

describe.each(await testedServers())('the credentials of a service on nats-server %s', (_, binary) => {
  let nats: NatsServer;
  beforeAll(async () => {
    const user = { user: 'service', password: 'p', permissions: servicePermissions() };
    nats = await startSuiteNats({ binary, users: [user] });
  });
  afterAll(async () => {
    await nats.stop();
  });

  test('are enough to own a partition, snapshots included, and not to trim, purge or remove its log', async () => {
    verifies('ledger.append_only');
    const credentials = { user: 'service', pass: 'p' };
    const first = await Ledger.connect({ servers: nats.url, credentials });
    for (const ledger of [first, await Ledger.connect({ servers: nats.url, credentials })]) {
      const host = await ledger.host({ service: 'identity', model: counterModel });
      await host.ready;
      await ledger.commands('identity').send(add(1, { parts: 1500 }));
      if (ledger === first) await ledger.drain();
      else await expectAppendOnly(ledger);
      await ledger.drain();
    }
  });

  const expectAppendOnly = async (ledger: Ledger): Promise<void> => {
    const jsm = await jetstreamManager(ledger.nc, { timeout: 300 });
    const stream = streamName('identity', 0);
    const { config, state } = await jsm.streams.info(stream);
    const attempts = [
      jsm.streams.update(stream, { ...config, max_msgs: 1 }),
      jsm.streams.purge(stream),
      jsm.streams.deleteMessage(stream, 1),
      jsm.streams.delete(stream),
    ];
    for (const result of await Promise.allSettled(attempts)) expect(result.status).toBe('rejected');
    expect((await jsm.streams.info(stream)).state).toMatchObject({ messages: state.messages, first_seq: 1 });
  };
});
