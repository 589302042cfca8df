import { AckPolicy, DeliverPolicy, jetstreamManager } from '@nats-io/jetstream';
import { errors, type NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { NatsServer } from '@writ/servers';
import { eventually, startSuiteNats, verifies } from '@writ/testkit';
import { partitionsOf, streamName } from './domain.js';
import { brokerUsers, Ledger, servicePermissions, type BrokerUser } from './index.js';
import { snapshots } from './permissions.js';
import { add, counterModel } from './testing/counter.js';
import { testedServers } from './testing/servers.js';

const owners = Object.keys(partitionsOf) as (keyof typeof partitionsOf)[];
const everyStream = Object.entries(partitionsOf).flatMap(([service, partitions]) =>
  Array.from({ length: partitions }, (_, partition) => ({ service, stream: streamName(service, partition) })),
);
/** One stream of each owner: permissions are made alike for all of a service's partitions. */
const firstStreams = owners.map((service) => ({ service, stream: streamName(service, 0) }));
const buckets = [
  'KV_ledger',
  'KV_leases',
  'KV_services',
  'OBJ_blobs',
  ...owners.map((each) => `OBJ_${snapshots(each)}`),
];

describe.each(await testedServers())('the credentials of each service on nats-server %s', (_, binary) => {
  let nats: NatsServer;
  let operator: NatsConnection;
  const ledgers = new Map<BrokerUser, Ledger>();
  const ledgerOf = (service: BrokerUser): Ledger => ledgers.get(service) as Ledger;

  beforeAll(async () => {
    const services = brokerUsers.map((user) => ({ user, password: user, permissions: servicePermissions(user) }));
    nats = await startSuiteNats({ binary, users: [{ user: 'writ', password: 'p' }, ...services] });
    operator = await connect({ servers: nats.url, user: 'writ', pass: 'p' });
    for (const service of brokerUsers) {
      const credentials = { user: service, pass: service };
      ledgers.set(service, await Ledger.connect({ servers: nats.url, credentials, service }));
    }
  }, 60_000);
  afterAll(async () => {
    await Promise.all([...ledgers.values()].map((ledger) => ledger.drain()));
    await operator.close();
    await nats.stop();
  });

  /** What the broker said to a message: `refused`, or anything else. */
  async function published({ nc }: Ledger, subject: string, body: object | '' = ''): Promise<string> {
    const payload = body === '' ? '' : JSON.stringify(body);
    try {
      const { data } = await nc.request(subject, payload, { timeout: 2_000 });
      return new TextDecoder().decode(data);
    } catch (error) {
      return (error as Error).cause instanceof errors.PermissionViolationError ? 'refused' : String(error);
    }
  }

  async function subscribed({ nc }: Ledger, subject: string): Promise<'refused' | 'allowed'> {
    const heard = new Promise<'refused'>((resolve) =>
      nc.subscribe(subject, {
        callback: (error) => {
          if (error instanceof errors.PermissionViolationError) resolve('refused');
        },
      }),
    );
    return Promise.race([
      heard,
      nc
        .flush()
        .then(() => nc.flush())
        .then(() => 'allowed' as const),
    ]);
  }

  test('are enough for each to own its partitions, snapshots included, and to be told of by all who must know', async () => {
    verifies('nats.enough');
    for (const service of owners) {
      const ledger = ledgerOf(service);
      const host = await ledger.host({ service, model: counterModel });
      await host.ready;
      await ledger.commands(service).send(add(1, { parts: 1500 }));
    }
    // Over the network, from somebody else's credentials.
    for (const asker of ['tools', 'gateway'] as const)
      expect((await ledgerOf(asker).commands('policy').send(add(1))).events).toHaveLength(1);
    expect((await ledgerOf('scheduler').commands('identity').send(add(1))).events).toHaveLength(1);
    for (const reader of brokerUsers)
      for (const service of ['identity', 'policy'] as const) await reads(reader, service);
    for (const reader of ['audit', 'gateway'] as const) for (const service of owners) await reads(reader, service);
    // And once more: a snapshot is read, a lease is handed over.
    const successor = await Ledger.connect({
      servers: nats.url,
      credentials: { user: 'memory', pass: 'memory' },
      service: 'memory',
    });
    const [host] = await Promise.all([
      successor.host({ service: 'memory', model: counterModel }),
      ledgerOf('memory').drain(),
    ]);
    await host.ready;
    await successor.commands('memory').send(add(1));
    ledgers.set('memory', successor);
  }, 60_000);

  async function reads(reader: BrokerUser, service: keyof typeof partitionsOf): Promise<void> {
    let seen = 0;
    const follower = await ledgerOf(reader).follow({ service, partition: 0, onCommit: () => void seen++ });
    await eventually(() => seen > 0, { what: `${reader} reads ${service}` });
    await follower.stop();
  }

  test('nobody can change, trim, purge, remove or replace any stream', async () => {
    verifies('ledger.append_only');
    const jsm = await jetstreamManager(operator);
    const before = await Promise.all(
      everyStream.map(async ({ stream }) => (await jsm.streams.info(stream)).state.last_seq),
    );
    for (const user of brokerUsers) {
      const ledger = ledgerOf(user);
      const forbidden = [...firstStreams.map(({ stream }) => stream), ...buckets].flatMap((stream) => [
        [`$JS.API.STREAM.UPDATE.${stream}`, { name: stream, max_msgs: 1 }],
        [`$JS.API.STREAM.DELETE.${stream}`, ''],
        [`$JS.API.STREAM.MSG.DELETE.${stream}`, { seq: 1 }],
        [`$JS.API.STREAM.RESTORE.${stream}`, { config: { name: stream } }],
        [`$JS.API.STREAM.SNAPSHOT.${stream}`, { deliver_subject: `_INBOX.${user}.x` }],
        ...(stream.startsWith('OBJ_') ? [] : [[`$JS.API.STREAM.PURGE.${stream}`, '']]),
        [`$JS.API.STREAM.LEADER.STEPDOWN.${stream}`, ''],
        [`$JS.API.STREAM.PEER.REMOVE.${stream}`, { peer: 'x' }],
      ]) as [string, object | ''][];
      const found = await Promise.all(
        forbidden.map(async ([subject, body]) => [subject, await published(ledger, subject, body)]),
      );
      expect([user, found.filter(([, answer]) => answer !== 'refused')]).toEqual([user, []]);
    }
    const after = await Promise.all(everyStream.map(async ({ stream }) => jsm.streams.info(stream)));
    expect(after.map(({ state }) => [state.first_seq, state.last_seq])).toEqual(
      before.map((last) => [Math.min(1, last), last]),
    );
  }, 60_000);

  test('nobody can do or see what is another’s', async () => {
    verifies('nats.least_privilege');
    for (const user of brokerUsers) {
      const ledger = ledgerOf(user);
      const { publish, subscribe } = forbiddenTo(user);
      const sent = await Promise.all(publish.map(async (subject) => [subject, await published(ledger, subject)]));
      const heard = await Promise.all(subscribe.map(async (subject) => [subject, await subscribed(ledger, subject)]));
      expect([user, [...sent, ...heard].filter(([, answer]) => answer !== 'refused')]).toEqual([user, []]);
    }
  }, 60_000);

  test('what JetStream delivers on behalf of somebody is no command', async () => {
    verifies('nats.no_borrowed_voice');
    const { nc } = ledgerOf('memory');
    const forged = JSON.stringify({ ...add(7), id: 'cmd_forged' });
    // Its own log takes what it likes, and the consumer's `deliver_subject` is not checked against its permissions.
    await nc.request('ledger.memory.00', forged);
    const before = await ledgerOf('identity').last('identity', 0);
    const heard: string[] = [];
    const spy = operator.subscribe('command.identity.00', {
      callback: (_error, { data }) => void heard.push(String(data)),
    });
    await operator.flush();
    const jsm = await jetstreamManager(nc);
    await jsm.consumers.add(streamName('memory', 0), {
      deliver_subject: 'command.identity.00',
      ack_policy: AckPolicy.None,
      deliver_policy: DeliverPolicy.Last,
    });
    await eventually(() => heard.length > 0);
    spy.unsubscribe();
    // Commands are answered in order: were the forged one taken, it would be in the log before this one.
    await ledgerOf('scheduler').commands('identity').send(add(1));
    const events: string[] = [];
    for await (const commit of ledgerOf('identity').read('identity', 0, { from: before }))
      events.push(...commit.events.map(({ cause }) => cause));
    expect(events).toHaveLength(1);
    expect(events).not.toContain('cmd_forged');
  });
});

/** Everything of others: their commits, commands, answers, leases, keys, snapshots, streams and consumers. */
function forbiddenTo(user: BrokerUser): { publish: string[]; subscribe: string[] } {
  const others = brokerUsers.filter((each) => each !== user);
  const otherOwners = owners.filter((each) => each !== user);
  const isAsked = { identity: ['scheduler'], scheduler: ['identity', 'tools'], policy: brokerUsers } as Record<
    string,
    readonly BrokerUser[]
  >;
  const reads = { audit: owners, gateway: owners } as Record<string, readonly string[]>;
  const unread = otherOwners.filter((each) => !(reads[user] ?? ['identity', 'policy']).includes(each));
  const createOf = (stream: string) => `$JS.API.CONSUMER.CREATE.${stream}`;
  return {
    publish: [
      ...otherOwners.flatMap((each) => [
        `ledger.${each}.00`,
        `answer.${each}.00.${user}.x.1`,
        `$KV.ledger.snapshot.${each}.00`,
        `$KV.ledger.reactor.${each}.00.x`,
        `$KV.leases.owner.${each}.00`,
        `$KV.leases.replica.${each}.x`,
        `$O.${snapshots(each)}.M.x`,
        `$JS.API.STREAM.PURGE.OBJ_${snapshots(each)}`,
        `$JS.API.STREAM.CREATE.${streamName(each, 0)}`,
        `$JS.API.DIRECT.GET.KV_ledger.$KV.ledger.snapshot.${each}.00`,
      ]),
      ...otherOwners.filter((each) => !isAsked[each]?.includes(user)).map((each) => `command.${each}.00`),
      ...others.flatMap((each) => [`$KV.services.${each}.x`, `_INBOX.${each}.x`, `enforcement.${each}.enf_x`]),
      ...(user === 'identity' ? [] : ['identity.heartbeat']),
      ...(user === 'scheduler' ? [] : ['dispatch.x.y.z', 'worker.session.x', 'scheduler.control.0', 'worker.gone']),
      ...unread.flatMap((each) => [
        `$JS.API.STREAM.INFO.${streamName(each, 0)}`,
        `$JS.API.STREAM.MSG.GET.${streamName(each, 0)}`,
        `$JS.API.DIRECT.GET.${streamName(each, 0)}`,
        createOf(streamName(each, 0)),
        `${createOf(streamName(each, 0))}.x`,
        `$JS.API.CONSUMER.MSG.NEXT.${streamName(each, 0)}.x`,
      ]),
      createOf('KV_ledger'),
      `${createOf('KV_ledger')}.x.$KV.ledger.>`,
      createOf('KV_leases'),
      '$JS.API.STREAM.CREATE.OTHER',
      '$JS.API.STREAM.LIST',
      '$JS.API.STREAM.NAMES',
      '$JS.API.META.LEADER.STEPDOWN',
      '$SYS.REQ.SERVER.PING',
      'anything.else',
    ],
    subscribe: [
      '>',
      'command.>',
      'ledger.>',
      'answer.>',
      '_INBOX.>',
      ...otherOwners.flatMap((each) => [`command.${each}.00`, `$KV.leases.owner.${each}.00`]),
      ...owners.map((each) => `ledger.${each}.00`),
      ...others.flatMap((each) => [`_INBOX.${each}.>`, `answer.*.*.${each}.>`, `enforcement.${each}.*`]),
      '$KV.ledger.>',
      ...(user === 'scheduler' ? [] : ['worker.>', 'dispatch.>']),
    ],
  };
}
