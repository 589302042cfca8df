import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { TestIdentity, type TestClaims } from '@writ/enforcement/testing';
import { Ledger } from '@writ/ledger';
import { aggregates, type Actor, type Aggregate, type EventDraft, type Json } from '@writ/ledger/domain';
import type { RunningService } from '@writ/platform';
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

interface Parts {
  readonly backends: Backends;
  readonly ledger: Ledger;
  readonly identity: TestIdentity;
  readonly audit: RunningService;
}

/** The audit service on real servers, and notes in memory's ledger for it to record. */
export class Installation implements AsyncDisposable {
  private constructor(
    private readonly parts: Parts,
    /** Tiles, checkpoint and key. */
    readonly folder: string,
  ) {}

  static async start(): Promise<Installation> {
    const backends = await startBackends();
    const folder = await mkdtemp(path.join(tmpdir(), 'writ-audit-'));
    const ledger = await Ledger.connect({ servers: backends.nats.url });
    const identity = await TestIdentity.start(ledger);
    const memory = await ledger.host({ service: 'memory', model: aggregates([notes]) });
    await memory.ready;
    const audit = await start({
      WRIT_NATS_URL: backends.nats.url,
      WRIT_POSTGRES_URL: backends.postgresUrl,
      WRIT_ISSUER: identity.issuer,
      WRIT_AUDIT_DATA: folder,
      WRIT_AUDIT_ORIGIN: 'writ.example/test',
      WRIT_LOG_LEVEL: 'silent',
      WRIT_GRACE_MS: '200',
    });
    const installation = new Installation({ backends, ledger, identity, audit }, folder);
    await eventually(async () => (await installation.fetch('/health/ready')).status === 200);
    return installation;
  }

  /** Without a token. */
  fetch(route: string): Promise<Response> {
    return fetch(`${this.parts.audit.httpUrl}${route}`);
  }

  /** One REST call, by default of an agent of `tnt_1` whose token is good for everything. */
  async get(route: string, claims: TestClaims = {}): Promise<{ status: number; body: Record<string, unknown> }> {
    const authorization = `Bearer ${await this.parts.identity.token(claims)}`;
    const response = await fetch(`${this.parts.audit.httpUrl}${route}`, { headers: { authorization } });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }

  /** Commits one command with these events. Gives their ids and its position. */
  async note(subject: string, events: Partial<Noted>[] = [{}], who: { tenant?: string; actor?: Partial<Actor> } = {}) {
    const { tenant = 'tnt_1', actor } = who;
    const drafts = events.map((event) => ({ type: 'note.written.v1', data: null, ...event }));
    const command = { type: 'note', events: drafts } as { type: string };
    const sent = await this.parts.ledger.commands('memory').send({
      tenant,
      aggregate: 'note',
      subject,
      command,
      actor: { principal: 'agt_1', kind: 'agent', ...actor },
    });
    return { ids: sent.events.map(({ id }) => id), position: sent.position };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { backends, ledger, identity, audit } = this.parts;
    await audit.stop();
    await identity.stop();
    await ledger.drain();
    await backends.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}
