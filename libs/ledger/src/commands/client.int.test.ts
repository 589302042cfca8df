import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { NatsServer } from '@writ/servers';
import { startSuiteNats } from '@writ/testkit';
import { commandSubject } from '../domain/partitioning.js';
import { Ledger } from '../ledger.js';
import { CollectedLog } from '../testing/collect-log.js';
import { add } from '../testing/counter.js';
import { encodeAnswer } from './wire.js';

let nats: NatsServer;
let ledger: Ledger;
beforeAll(async () => {
  nats = await startSuiteNats();
  ledger = await Ledger.connect({ servers: nats.url, log: new CollectedLog() });
});
afterAll(async () => {
  await ledger.drain();
  await nats.stop();
});

test('an owner that is slower than the patience of its callers is heard all the same, and what they repeat travels together', async () => {
  const slowMs = 2_500; // more than each of the first two attempts waits
  const callers = 200;
  let asked = 0;
  const owner = ledger.nc.subscribe(commandSubject('slow', 0), {
    callback: (_, message) => {
      const answer = encodeAnswer({ position: `slow/0/${++asked}/0`, lines: [], events: [], duplicate: false });
      const answers = Array.from(message.string().split('\n'), (_, index) => `${index} ${answer}`);
      setTimeout(() => message.respond(answers.join('\n')), slowMs).unref();
    },
  });
  const begun = performance.now();
  const client = ledger.commands('slow', { partitions: 1 });
  const sent = await Promise.all(Array.from({ length: callers }, () => client.send(add(1), { timeoutMs: 9_000 })));
  owner.unsubscribe();
  expect(new Set(sent.map(({ position }) => position))).toEqual(new Set(['slow/0/1/0']));
  expect(performance.now() - begun).toBeLessThan(2 * slowMs);
  expect(asked).toBeLessThan(callers / 10); // messages
});
