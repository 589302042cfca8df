import type { Authenticator, Caller, Headers } from '@writ/api';
import { every, type CommandClient, type Logger } from '@writ/ledger';
import { DomainError, refuse } from '@writ/ledger/domain';
import type { NatsConnection, Subscription } from '@nats-io/nats-core';
import type { Hello } from '@writ/proto/worker/v1/worker';
import type { Owners } from '../partition/owners.js';
import type { ReportItem } from '../run/run.commands.js';
import type { RunDeltas } from '../stream/run-deltas.js';
import type { Values } from '../values/value-store.js';
import { Session, type SessionLinks } from './session.js';
import type { SessionDirectory } from './session-directory.js';
import { claimedSubject } from './session-subjects.js';

const recheckMs = 1000;
const method = { name: 'writ.worker.v1.WorkerService.Connect', requires: 'worker.connect', public: false };
/** Identity was not heard lately: no new stream is let in, but those that are there are not cut for it. */
const unsure: ReadonlySet<string> = new Set(['auth.revocation_unknown', 'auth.unavailable']);

export interface WorkerStreamsParts {
  nc: NatsConnection;
  runs: CommandClient;
  owners: Owners;
  sessions: SessionDirectory;
  values: Values;
  deltas: RunDeltas;
  authenticator: Authenticator;
  log: Logger;
}

/** Opens workers' streams, ties them to the owners of their runs, and ends those whose right to be here is gone. */
export class WorkerStreams {
  private readonly headers = new Map<Session, Headers>();
  private readonly rest: () => void;
  private readonly claimed: Subscription;

  constructor(private readonly parts: WorkerStreamsParts) {
    this.rest = every(recheckMs, () => void this.recheck());
    this.claimed = parts.nc.subscribe(claimedSubject, {
      callback: (error, message) => {
        if (error) return;
        const [partition = 0, epoch = 0] = message.string().split('.').map(Number);
        for (const session of this.parts.sessions.all) session.evictOlder(partition, epoch);
      },
    });
  }

  open(id: string, hello: Hello, caller: Caller): Session {
    const { tenant, actor, rawToken, headers } = caller;
    const { links } = this;
    const { log } = this.parts;
    const session = new Session({ id, tenant, actor, hello, token: rawToken, links, log });
    this.headers.set(session, headers);
    this.parts.sessions.open(session);
    const { worker, queue } = session;
    log.info({ session: id, tenant, worker, queue, workflows: session.workflows.size }, 'a worker is here');
    return session;
  }

  stop(): void {
    this.rest();
    this.claimed.unsubscribe();
  }

  /** Something was revoked, or time has passed: whoever may not be here any more leaves. */
  async recheck(): Promise<void> {
    await Promise.all(
      Array.from(this.headers.keys(), (session) =>
        this.verify(session, session.token).catch((error: unknown) => {
          if (error instanceof DomainError && !unsure.has(error.code)) session.fail(error);
        }),
      ),
    );
  }

  private readonly links: SessionLinks = {
    report: (session, partition, items) => this.report(session, partition, items),
    idle: ({ tenant }, partition, run, attempt, entries) =>
      this.parts.owners.tell(partition, { type: 'idle', tenant, run, attempt, entries }),
    beats: ({ tenant }, partition, run, attempt, beats) =>
      this.parts.owners.tell(partition, { type: 'beats', tenant, run, attempt, beats }),
    deltas: ({ tenant }, run, deltas) => this.parts.deltas.write(tenant, run, deltas),
    deltasStored: ({ tenant }, run) => this.parts.deltas.stored(tenant, run),
    released: ({ tenant }, partition, dropped) =>
      this.parts.owners.tell(partition, {
        type: 'released',
        tenant,
        dropped: dropped.map(({ run, attempt }) => ({ run, attempt })),
      }),
    roomy: (session) => this.parts.sessions.roomy(session),
    closed: (session) => {
      this.headers.delete(session);
      this.parts.sessions.close(session);
      this.parts.log.info({ session: session.id, worker: session.worker }, 'a worker has left');
    },
    claim: (tenant, json) => this.parts.values.put(tenant, json),
    renew: async (session, token) => {
      await this.verify(session, token);
      session.token = token;
    },
  };

  private async report(session: Session, partition: number, items: ReportItem[]): Promise<void> {
    const { tenant, actor } = session;
    const [{ run: subject }] = items as [ReportItem];
    const command = { type: 'report' as const, session: session.id, items };
    await this.parts.runs.send({ tenant, aggregate: 'run', subject, partition, command, actor, plain: true });
  }

  /** @throws DomainError `auth.*` */
  private async verify(session: Session, token: string): Promise<void> {
    const headers = this.headers.get(session);
    const bearer = token.startsWith('Bearer ') ? token : `Bearer ${token}`;
    const get = (name: string) => (name === 'authorization' ? bearer : headers?.get(name));
    const { tenant, principal } = await this.parts.authenticator.authenticate({ get }, method);
    if (tenant !== session.tenant || principal !== session.actor.principal)
      throw refuse('auth.invalid_token', 'a stream is renewed with a token of the same principal and tenant');
  }
}
