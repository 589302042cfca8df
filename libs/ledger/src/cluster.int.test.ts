import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startNatsCluster, type NatsCluster, type NatsServer } from '@writ/servers';
import { eventually, startProcess, verifies } from '@writ/testkit';
import { streamName } from './domain/partitioning.js';
import { Ledger } from './index.js';
import { add } from './testing/counter.js';
import { judgeLog, SteadyLoad } from './testing/load.js';

/** All three in turn, and cut off from the network, takes minutes: `npm run faults -- ledger-cluster`. */
const copies = 3;
const service = 'svc1';
let cluster: NatsCluster;
let client: Ledger;

beforeAll(async () => {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'writ-test-cluster-'));
  cluster = await startNatsCluster({ dataDir, size: copies, scratch: true, durability: 'flush' });
  client = await Ledger.connect({ servers: cluster.url, streamReplicas: copies });
});
afterAll(async () => {
  await client?.drain();
  await cluster?.stop();
});

/** Leads the log: whoever it is when it is lost, nobody else has to do more. */
async function leader(): Promise<NatsServer> {
  const jsm = await jetstreamManager(client.nc, { checkAPI: false });
  const { cluster: members } = await jsm.streams.info(streamName(service, 0));
  return cluster.servers[Number(members?.leader?.at(-1)) - 1] as NatsServer;
}

test('the leader of three brokers is killed, then the next is paused: writes go on, nothing is lost or twice', async () => {
  verifies('ledger.cluster');
  await using owner = startProcess('libs/ledger/src/testing/replica.ts', {
    args: [cluster.url, service, '1', String(copies)],
  });
  await owner.line(/^ready/);
  using load = new SteadyLoad(client.commands(service, { partitions: 1 }), {
    perSecond: 200,
    make: (n) => add(1, { subject: `cnt_${n % 100}` }),
  });
  const flows = async (): Promise<unknown> => {
    const before = load.acknowledged.size;
    return eventually(() => load.acknowledged.size > before + 50, { what: 'writes flow', timeoutMs: 30_000 });
  };
  await flows();
  const killed = await leader();
  await killed.kill();
  await flows(); // while it is away
  await killed.restart();
  await cluster.healthy();

  const paused = await leader();
  await paused.pause();
  await flows();
  await paused.resume();
  await flows();
  await load.stop();

  expect(load.refused).toEqual([]);
  const { lost, twice } = await judgeLog(client, service, 1, load.acknowledged);
  expect({ lost, twice }).toEqual({ lost: [], twice: [] });
  console.log(`longest time without an answer: ${Math.round(load.longestGapMs())} ms`);
});
