import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { actionAggregate } from '@writ/enforcement';
import { TestIdentity, type TestClaims } from '@writ/enforcement/testing';
import { Ledger } from '@writ/ledger';
import { aggregates, type Aggregate, type EventDraft, type Json, type ServiceName } from '@writ/ledger/domain';
import { announce, type RunningService } from '@writ/platform';
import { eventually, startBackends, type Backends } from '@writ/testkit';
import { start } from '../service.js';

type Noted = EventDraft<string, Json>;

/** Writes whatever events a test wants. */
const notes: Aggregate<null, { type: 'note'; events: Noted[] }, Noted> = {
  name: 'note',
  initial: null,
  events: ['note.written.v1', 'note.struck.v1'],
  decide: ({ events }) => events,
  evolve: () => null,
};

/** What stands in for a service behind the gateway. */
export interface Upstream {
  readonly httpUrl: string;
  /** Goes away without a goodbye, as a killed process does. */
  die(): Promise<void>;
}

/** The gateway on real servers, with stand-ins for the services behind it and notes for events. */
export class Installation implements AsyncDisposable {
  private readonly closing: (() => Promise<unknown>)[] = [];

  private constructor(
    readonly backends: Backends,
    readonly ledger: Ledger,
    readonly identity: TestIdentity,
    readonly gateway: RunningService,
  ) {}

  static async start(env: Record<string, string> = {}): Promise<Installation> {
    const backends = await startBackends();
    const ledger = await Ledger.connect({ servers: backends.nats.url });
    const identity = await TestIdentity.start(ledger);
    // Refusals of the gateway are recorded in policy's ledger.
    const policy = await ledger.host({ service: 'policy', model: aggregates([actionAggregate]) });
    const memory = await ledger.host({ service: 'memory', model: aggregates([notes]) });
    await Promise.all([policy.ready, memory.ready]);
    const gateway = await start({
      WRIT_NATS_URL: backends.nats.url,
      WRIT_POSTGRES_URL: backends.postgresUrl,
      WRIT_ISSUER: identity.issuer,
      WRIT_LOG_LEVEL: 'silent',
      WRIT_GRACE_MS: '500',
      ...env,
    });
    const installation = new Installation(backends, ledger, identity, gateway);
    await eventually(async () => (await fetch(`${gateway.httpUrl}/health/ready`)).status === 200);
    return installation;
  }

  get url(): string {
    return this.gateway.httpUrl;
  }

  /** Value of an `authorization` header. */
  async authorization(claims: TestClaims = {}): Promise<string> {
    return `Bearer ${await this.identity.token(claims)}`;
  }

  /** Commits one command with these events; types default to `note.written.v1`. Gives its position. */
  async note(
    subject: string,
    events: Partial<Noted>[] = [{}],
    who: { tenant?: string; run?: string } = {},
  ): Promise<string> {
    const { tenant = 'tnt_1', run } = who;
    const drafts = events.map((event) => ({ type: 'note.written.v1', data: null, ...event }));
    const { position } = await this.ledger.commands('memory').send({
      tenant,
      aggregate: 'note',
      subject,
      command: { type: 'note', events: drafts } as { type: string },
      actor: { principal: 'agt_1', kind: 'agent', ...(run !== undefined && { run }) },
    });
    return position;
  }

  /** Serves as a replica of a service, over plain HTTP. */
  async serve(name: ServiceName, listener: RequestListener, replica?: string): Promise<Upstream> {
    const server = createServer(listener);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const httpUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const die = () => closed(server);
    this.closing.push(die);
    await this.announce(name, { httpUrl, grpcUrl: 'http://127.0.0.1:1' }, replica);
    return { httpUrl, die };
  }

  /** Announces a replica that the test has started itself, and waits until the gateway knows. */
  async announce(name: ServiceName, urls: { httpUrl: string; grpcUrl: string }, replica = 'stand-in'): Promise<void> {
    const before = await this.replicasOf(name);
    const announced = await announce(this.ledger.nc, { name, replica, ...urls }, () => undefined);
    this.closing.push(() => announced.stop());
    await eventually(async () => (await this.replicasOf(name)) > before, { what: `the gateway knows ${name}` });
  }

  private async replicasOf(name: ServiceName): Promise<number> {
    const { services } = (await (await fetch(`${this.url}/health/ready`)).json()) as {
      services: { name: string; replicas: number }[];
    };
    return services.find((each) => each.name === name)?.replicas ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway.stop();
    for (const close of this.closing) await close();
    await this.identity.stop();
    await this.ledger.drain();
    await this.backends.stop();
  }
}

async function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise<void>((resolve) => server.close(() => resolve()));
}
