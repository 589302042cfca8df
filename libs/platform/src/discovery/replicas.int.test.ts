import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Kvm } from '@nats-io/kv';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { NatsServer } from '@writ/servers';
import { eventually, startSuiteNats, verifies } from '@writ/testkit';
import { announce, openServices, type Announcement } from './announce.js';
import { Replicas } from './replicas.js';

const one: Announcement = { name: 'memory', replica: 'one', httpUrl: 'http://h:1', grpcUrl: 'http://h:2' };
const two: Announcement = { ...one, replica: 'two' };

let nats: NatsServer;
let teller: NatsConnection;
let listener: NatsConnection;
const problems: unknown[] = [];
const open = () => connect({ servers: nats.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });

beforeEach(async () => {
  nats = await startSuiteNats();
  [teller, listener] = await Promise.all([open(), open()]);
  problems.length = 0;
});
afterEach(async () => {
  await Promise.all([teller.close(), listener.close()]);
  await nats.stop();
});

async function disconnected(nc: NatsConnection): Promise<void> {
  for await (const { type } of nc.status()) if (type === 'disconnect') return;
}

describe('announcements', () => {
  test('a follower knows at once who is there, soon who comes, and who said goodbye', async () => {
    const first = await announce(teller, one, (error) => problems.push(error));
    const replicas = await Replicas.follow(listener);
    expect(replicas.up('memory')).toEqual([one]);
    const second = await announce(teller, two, (error) => problems.push(error));
    await eventually(() => replicas.up('memory').length === 2);
    await first.stop();
    await eventually(() => replicas.up('memory').length === 1);
    expect(replicas.up()).toEqual([two]);
    expect(replicas.up('identity')).toEqual([]);
    await second.stop();
    replicas.stop();
    expect(problems).toEqual([]);
  });

  test('a restart of the broker loses the bucket, and nobody is lost for it', async () => {
    verifies('platform.discovery');
    const announced = await announce(teller, one, (error) => problems.push(error));
    const replicas = await Replicas.follow(listener);
    await nats.kill();
    expect(replicas.up('memory')).toEqual([one]);
    await nats.restart();
    // `open` makes nothing: the bucket is there again because the one who announces made it.
    await eventually(async () => (await (await new Kvm(listener).open('services')).get('memory.one'))?.string());
    expect(replicas.up('memory')).toEqual([one]);
    const late = await announce(teller, two, (error) => problems.push(error));
    await eventually(() => replicas.up('memory').length === 2);
    await Promise.all([announced.stop(), late.stop()]);
    await eventually(() => replicas.up('memory').length === 0);
    expect(problems.length).toBeLessThanOrEqual(1);
    replicas.stop();
  });

  test('whoever stops while the broker is away does not wait for it', async () => {
    const announced = await announce(teller, one, (error) => problems.push(error));
    const away = disconnected(teller);
    await nats.kill();
    await away;
    const begun = performance.now();
    await announced.stop();
    expect(performance.now() - begun).toBeLessThan(2_000); // an answer would be waited for 5 s
  });

  test('what is no announcement is not believed, and harms nobody', async () => {
    const replicas = await Replicas.follow(listener);
    await (await openServices(teller)).put('memory.bad', 'not JSON');
    const announced = await announce(teller, one, (error) => problems.push(error));
    await eventually(() => replicas.up().length === 1);
    expect(replicas.up()).toEqual([one]);
    await announced.stop();
    replicas.stop();
  });
});
