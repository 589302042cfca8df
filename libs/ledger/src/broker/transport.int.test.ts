import { expect, test } from '@jest/globals';
import { connect } from '@nats-io/transport-node';
import { eventually, startProcess, startSuiteNats, verifies } from '@writ/testkit';
import { connectBroker } from './connect.js';

test('a client that closes in the tick in which its server dies ends well', async () => {
  verifies('ledger.broker_gone');
  await using nats = await startSuiteNats();
  await using client = startProcess('libs/ledger/src/testing/closing-client.ts', { args: [nats.url] });
  await client.line(/^connected/);
  await nats.kill();
  expect(await client.exited).toBe(0);
  expect(client.lines).toEqual(['connected', 'closed']);
});

test('a server that is paused is left for another one, though what was written to it never leaves', async () => {
  verifies('ledger.broker_gone');
  await using first = await startSuiteNats();
  await using second = await startSuiteNats();
  const nc = await connectBroker({ servers: `${first.url},${second.url}`, name: 'leaving' });
  const at = (): string => `nats://${nc.getServer()}`;
  const tried: string[] = [];
  let back = false;
  void (async () => {
    for await (const { type } of nc.status()) {
      if (type === 'reconnecting') tried.push(at());
      back ||= type === 'reconnect';
    }
  })();
  // It comes back once, in a process where somebody else connects with the client's own transport.
  await (await connect({ servers: first.url })).close();
  await nc.reconnect();
  await eventually(() => back);
  tried.length = 0;

  const [paused, other] = at() === first.url ? [first, second] : [second, first];
  await paused.pause();
  const writing = setInterval(() => {
    for (let i = 0; i < 16; i++) nc.publish('anything', new Uint8Array(64 * 1024));
  }, 10);
  await eventually(() => at() === other.url, { timeoutMs: 15_000 });
  clearInterval(writing);
  await nc.flush();
  expect(tried).toEqual([other.url]); // the one that was just lost would accept, and say nothing
  await nc.close();
  await paused.resume();
});
