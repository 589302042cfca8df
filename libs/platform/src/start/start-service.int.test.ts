import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Inject, Injectable } from '@nestjs/common';
import { clientOf, GrpcChannel } from '@writ/api';
import { CaseApi, caseErrors, FakeAuthenticator, fakeToken } from '@writ/api/testing';
import type { Caller } from '@writ/api';
import { jetstream } from '@nats-io/jetstream';
import { TestIdentity } from '@writ/enforcement/testing';
import { Ledger } from '@writ/ledger';
import { aggregates, type Aggregate, type EventDraft, type LedgerEvent } from '@writ/ledger/domain';
import { Health, HealthCheckResponse_ServingStatus } from '@writ/proto/grpc/health/v1/health';
import { CaseService, type StopItemRequest } from '@writ/proto/testing/v1/case';
import { eventually, startBackends, verifies, type Backends } from '@writ/testkit';
import { EntitySchema, type EntityManager, type QueryRunner } from 'typeorm';
import { BaseConfig, readConfig } from '../config/config.js';
import { openServices, type Announcement } from '../discovery/announce.js';
import { Replicas } from '../discovery/replicas.js';
import { CONTEXT } from '../nest/tokens.js';
import { startService } from './start-service.js';
import type { RunningService, ServiceContext, ServiceSpec } from './spec.js';

type Stopped = EventDraft<'item.stopped.v1', { reason: string }>;
const item: Aggregate<{ stops: number }, { type: 'stop'; reason: string }, Stopped> = {
  name: 'item',
  initial: { stops: 0 },
  events: ['item.stopped.v1'],
  decide: ({ reason }) => [{ type: 'item.stopped.v1', data: { reason } }],
  evolve: ({ stops }) => ({ stops: stops + 1 }),
};

const StopRow = new EntitySchema<{ id: string; reason: string }>({
  name: 'stop',
  columns: { id: { type: 'text', primary: true }, reason: { type: 'text' } },
});
class Stops0001 {
  readonly name = 'Stops0001';
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE TABLE stop (id text PRIMARY KEY, reason text NOT NULL)');
  }
}

@Injectable()
class ItemApi extends CaseApi {
  constructor(@Inject(CONTEXT) private readonly context: ServiceContext) {
    super();
  }

  override async stopItem({ id, reason, requestId, etag }: StopItemRequest, caller: Caller) {
    if (reason === 'slow') {
      slowCalls++;
      await eventually(() => stopping);
    }
    const { tenant, actor, trace } = caller;
    const command = { type: 'stop', reason };
    const subject = id;
    const sent = { tenant, aggregate: 'item', subject, command, actor, ...(trace && { trace }) };
    const { position } = await this.context.ledger.commands(this.context.name).send(sent);
    await this.context.host?.waitFor('stops', position, 2000);
    return { id, reason: position, requestId, etag };
  }
}

let stopping = false;
let slowCalls = 0;
let seen: ServiceContext;
const stopped: LedgerEvent[] = [];
let backends: Backends;
const authorization = fakeToken({ tenant: 'tnt_1' });

function specFor(
  overrides: Partial<ServiceSpec<BaseConfig>> = {},
  env: Record<string, string> = {},
): ServiceSpec<BaseConfig> {
  return {
    name: 'item-keeper',
    config: readConfig(BaseConfig, {
      WRIT_NATS_URL: backends.nats.url,
      WRIT_POSTGRES_URL: backends.postgresUrl,
      WRIT_ISSUER: 'http://127.0.0.1/oauth',
      WRIT_LOG_LEVEL: 'silent',
      WRIT_REPLICA: 'one',
      ...env,
    }),
    entities: [StopRow],
    migrations: [Stops0001],
    errors: [caseErrors],
    enforcement: { authenticator: new FakeAuthenticator() },
    host: () => ({
      partitions: 1,
      model: aggregates([item]),
      projections: [
        {
          name: 'stops',
          async apply(events: readonly { event: LedgerEvent }[], manager: EntityManager) {
            const rows = events.filter(({ event }) => event.type === 'item.stopped.v1');
            for (const { event } of rows)
              await manager.insert(StopRow, {
                id: event.id,
                reason: String((event.data as { reason: string }).reason),
              });
          },
        },
      ],
      onCommit: (commit) => void stopped.push(...commit.events),
    }),
    module(context) {
      seen = context;
      return { module: class ItemModule {}, providers: [ItemApi] };
    },
    routes: (_context, fastify) => void fastify.get('/beside', async () => ({ beside: true })),
    ...overrides,
  };
}

beforeAll(async () => {
  backends = await startBackends({ ownPostgres: true });
});
afterAll(() => backends.stop());

const getJson = async (url: string) => {
  const response = await fetch(url);
  return { status: response.status, json: (await response.json()) as object };
};
const addressOf = ({ name, replica, httpUrl, grpcUrl }: RunningService): Announcement => ({
  name,
  replica,
  httpUrl,
  grpcUrl,
});

describe('a running service', () => {
  let service: RunningService;
  beforeAll(async () => {
    service = await startService(specFor());
  });
  afterAll(() => service.stop());

  test('serves REST, gRPC, its routes, OpenAPI, health and metrics', async () => {
    const rest = await fetch(`${service.httpUrl}/v1/items/a`, { headers: { authorization } });
    expect(await rest.json()).toMatchObject({ id: 'a' });
    const channel = new GrpcChannel(service.grpcUrl, { metadata: () => ({ authorization }) });
    expect((await clientOf(CaseService, channel).getItem({ id: 'b' })).item?.id).toBe('b');
    channel.close();
    expect((await getJson(`${service.httpUrl}/beside`)).json).toEqual({ beside: true });
    expect((await getJson(`${service.httpUrl}/openapi.json`)).json).toMatchObject({ openapi: '3.1.0' });
    expect((await getJson(`${service.httpUrl}/health/live`)).json).toEqual({
      live: true,
      service: 'item-keeper',
      replica: 'one',
    });
    const metrics = await (await fetch(`${service.httpUrl}/metrics`)).text();
    expect(metrics).toMatch(
      /^writ_api_call_duration_seconds_count\{.*method="writ.testing.v1.CaseService.GetItem",transport="grpc",code="ok".*\} 1$/m,
    );
    expect(metrics).toContain('process_resident_memory_bytes');
  });

  test('readiness tells what it stands on', async () => {
    const { status, json } = await getJson(`${service.httpUrl}/health/ready`);
    expect(status).toBe(200);
    expect(json).toMatchObject({
      code: expect.stringMatching(/^[0-9a-f]{12}$/),
      ready: true,
      draining: false,
      durability: 'flush',
      nats: { ok: true, version: backends.nats.version },
      postgres: { ok: true },
      ownership: { ok: true, partitions: [{ partition: 0, state: 'owned' }] },
    });
  });

  test('the trace of a request stands in the event, and its rows are in the schema of the service', async () => {
    verifies('platform.trace');
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const answer = await fetch(`${service.httpUrl}/v1/items/i1:stop`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json', traceparent: `00-${traceId}-b7ad6b7169203331-01` },
      body: JSON.stringify({ reason: 'traced' }),
    });
    expect(await answer.json()).toMatchObject({ reason: expect.stringMatching(/^item-keeper\/00\//) });
    const event = stopped.find((each) => each.type === 'item.stopped.v1');
    expect(event).toMatchObject({ tenant: 'tnt_1', subject: 'i1', trace: expect.stringContaining(traceId) });
    expect(event?.trace).not.toContain('b7ad6b7169203331');
    expect(await seen.dataSource.query('SELECT reason FROM item_keeper.stop')).toEqual([{ reason: 'traced' }]);
  });

  test('it is announced where the gateway looks', async () => {
    const bucket = await openServices(seen.ledger.nc);
    expect((await bucket.get('item-keeper.one'))?.json()).toEqual(addressOf(service));
  });

  test('a second replica starts beside it, its migrations already there', async () => {
    const second = await startService(specFor({}, { WRIT_REPLICA: 'two' }));
    expect((await getJson(`${second.httpUrl}/health/ready`)).json).toMatchObject({ ready: true, replica: 'two' });
    await second.stop();
    await eventually(async () => (await getJson(`${service.httpUrl}/health/ready`)).status === 200);
  });

  test('a broker that hangs and a database that is gone are told, and so is their return', async () => {
    verifies('platform.health');
    const readiness = async () => (await getJson(`${service.httpUrl}/health/ready`)).json;
    await backends.nats.pause();
    await eventually(
      async () => expect(await readiness()).toMatchObject({ ready: false, nats: { ok: false } }) === undefined,
    );
    await backends.nats.resume();
    await backends.postgres?.kill();
    await eventually(
      async () =>
        expect(await readiness()).toMatchObject({ ready: false, postgres: { ok: false }, nats: { ok: true } }) ===
        undefined,
    );
    expect((await fetch(`${service.httpUrl}/health/live`)).status).toBe(200);
    await backends.postgres?.restart();
    await eventually(async () => expect(await readiness()).toMatchObject({ ready: true }) === undefined);
  });
});

describe('a service that enforces', () => {
  const enforcing: Partial<ServiceSpec<BaseConfig>> = { name: 'enforcer', enforcement: 'follow' };
  const readiness = async (service: RunningService) => {
    const channel = new GrpcChannel(service.grpcUrl);
    const { status } = await clientOf(Health, channel).check({});
    channel.close();
    return { grpc: HealthCheckResponse_ServingStatus[status], ...(await getJson(`${service.httpUrl}/health/ready`)) };
  };

  test('is ready only while it hears identity and knows the policies', async () => {
    verifies('platform.health_enforcement');
    await using ledger = await Ledger.connect({ servers: backends.nats.url });
    const service = await startService(specFor(enforcing));
    expect(await readiness(service)).toMatchObject({
      status: 503,
      grpc: 'NOT_SERVING',
      json: { ready: false, enforcement: { ok: false, revocationAgeMs: null, policyPosition: 'policy/00/0/0' } },
    });
    const identity = await TestIdentity.start(ledger);
    const serving = { status: 200, grpc: 'SERVING', json: { ready: true, enforcement: { ok: true } } };
    await eventually(async () => expect(await readiness(service)).toMatchObject(serving) === undefined);
    identity.silence();
    const refusing = { status: 503, grpc: 'NOT_SERVING', json: { ready: false, enforcement: { ok: false } } };
    await eventually(async () => expect(await readiness(service)).toMatchObject(refusing) === undefined);
    identity.beat();
    await eventually(async () => expect(await readiness(service)).toMatchObject(serving) === undefined);
    // Policy is not there to make its stream; a connection that is no service's makes what it follows.
    await (await ledger.follow({ service: 'policy', partition: 0, onCommit: () => undefined })).stop();
    // What is no commit cannot be taken in, so policy's ledger is not known to its end.
    await jetstream(ledger.nc).publish('ledger.policy.00', 'no commit');
    await eventually(async () => expect(await readiness(service)).toMatchObject(refusing) === undefined);
    expect((await getJson(`${service.httpUrl}/health/ready`)).json).toMatchObject({
      enforcement: { revocationAgeMs: expect.any(Number) },
    });
    await service.stop();
    await identity.stop();
  });
});

describe('starting and stopping', () => {
  test('a stop finishes what is in flight, refuses what is new, and is gone from the bucket', async () => {
    verifies('platform.drain');
    const watcher = await startService(
      specFor({ name: 'watcher', host: () => ({ partitions: 1, model: aggregates([item]) }) }),
    );
    const bucket = await openServices(seen.ledger.nc);
    const service = await startService(specFor());
    const slow = fetch(`${service.httpUrl}/v1/items/i2:stop`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: '{"reason":"slow"}',
    });
    const stream = await fetch(`${service.httpUrl}/v1/count?to=1&ending=hang`, { headers: { authorization } });
    await eventually(() => slowCalls === 1);
    const ending = service.stop();
    await eventually(async () => (await bucket.get('item-keeper.one'))?.operation !== 'PUT');
    expect((await stream.text()).trimEnd().split('\n').at(-1)).toContain('service.draining');
    stopping = true;
    expect(await (await slow).json()).toMatchObject({ id: 'i2' });
    await ending;
    await expect(fetch(`${service.httpUrl}/health/live`)).rejects.toThrow();
    await watcher.stop();
  });

  test('a broker that restarts forgets nobody for long, and one that is away holds no stop up', async () => {
    const service = await startService(specFor());
    const replicas = await Replicas.follow(seen.ledger.nc);
    await backends.nats.kill();
    await backends.nats.restart();
    const bucket = await eventually(() => openServices(seen.ledger.nc, 1, { makeMs: 1_000 }));
    await eventually(async () => (await bucket.get('item-keeper.one'))?.json());
    expect(replicas.up('item-keeper')).toEqual([addressOf(service)]);
    await eventually(async () => (await getJson(`${service.httpUrl}/health/ready`)).status === 200);
    await backends.nats.kill();
    await eventually(async () => (await getJson(`${service.httpUrl}/health/ready`)).status === 503);
    const begun = performance.now();
    await service.stop();
    expect(performance.now() - begun).toBeLessThan(8_000); // with a broker it may take 10 s to leave
    await backends.nats.restart();
  });

  test('a migration that fails stops the start, names itself, and leaves nothing of it behind', async () => {
    class Broken0002 {
      readonly name = 'Broken0002';
      async up(runner: QueryRunner): Promise<void> {
        await runner.query('CREATE TABLE half (id text)');
        await runner.query('no sql');
      }
    }
    const spec = specFor({ migrations: [Broken0002, Stops0001] });
    await expect(startService(spec)).rejects.toThrow(/migration Broken0002 failed: .*syntax error/);
    const again = await startService(specFor());
    expect(await seen.dataSource.query("SELECT to_regclass('item_keeper.half') AS half")).toEqual([{ half: null }]);
    await again.stop();
  });

  test('an environment that is not complete is told by name, without values', () => {
    expect(() =>
      readConfig(BaseConfig, { WRIT_POSTGRES_URL: 'postgres://u:secret@h/d', WRIT_HTTP_PORT: 'many' }),
    ).toThrow(/WRIT_NATS_URL[^]*WRIT_HTTP_PORT[^]*WRIT_ISSUER/);
    expect(() => readConfig(BaseConfig, { WRIT_HTTP_PORT: 'secret' })).not.toThrow(/secret/);
  });
});
