import { setTimeout as pause } from 'node:timers/promises';
import { RequestError, type NatsConnection, type Subscription } from '@nats-io/nats-core';
import { every } from '@writ/ledger';
import { DomainError, refuse } from '@writ/ledger/domain';
import type { WorkerTask } from '../partition/outlet.js';
import type { Question, Verdict } from './consults.js';
import type { ReplayReport } from './replays.js';
import { consultSubject, goneSubject, sessionSubject } from './session-subjects.js';

/** A strict replay that another replica is asked for: it reads the journal itself. */
export interface ReplayWanted {
  tenant: string;
  run: string;
  /** Instead of a replay: this is asked of a copy. */
  question?: Question;
  timeoutMs?: number;
}

/** A question to a run that a worker of another replica has. */
export interface QuestionElsewhere {
  attempt: string;
  question: Question;
  timeoutMs: number;
}

/** What a run said, or a copy of it, made from what was recorded up to a commit. */
export interface Consulted {
  verdict: Verdict;
  commit?: number;
}

const probeMs = 1000;
/** What another replica may take beside its worker. */
const replicaMs = 1000;
/** A stream that leaves so many probes unanswered has no worker that can be reached. More than a replica's lease takes. */
const mostUnanswered = 5;
const noResponders = 503;

export interface RemoteLinks {
  /** Where answers to probes arrive, and where the broker says that nobody listens for a stream any more. */
  inbox: string;
  /** A stream somewhere has ended: its runs have no worker any more. */
  gone(session: string): void;
  /** Nobody answers for a stream, which may still be there. */
  silent(session: string): void;
}

/**
 * Streams of workers that hang on other replicas. Tasks are not answered, but when there is nobody to take one the
 * broker says so: that is how a replica that was killed is noticed. Probes are: that is how one that hangs is noticed.
 */
export class RemoteSessions {
  /** How many probes in a row were not answered. */
  private readonly known = new Map<string, number>();
  private readonly subscriptions: Subscription[];
  private readonly rest: () => void;
  private probing = false;

  constructor(
    private readonly nc: NatsConnection,
    private readonly links: RemoteLinks,
  ) {
    const { inbox } = links;
    this.subscriptions = [
      nc.subscribe(`${inbox}.*`, {
        callback: (error, message) => {
          if (error) return;
          const session = message.subject.slice(inbox.length + 1);
          if (message.headers?.code === noResponders) this.lost(session);
          else if (this.known.has(session)) this.known.set(session, 0);
        },
      }),
      nc.subscribe(goneSubject, { callback: (error, message) => (error ? undefined : this.lost(message.string())) }),
    ];
    this.rest = every(probeMs, () => void this.probe().catch(() => undefined));
  }

  stop(): void {
    this.rest();
    for (const subscription of this.subscriptions) subscription.unsubscribe();
  }

  deliver(session: string, task: WorkerTask): void {
    if (this.nc.isClosed()) return;
    if (!this.known.has(session)) this.known.set(session, 0);
    this.nc.publish(sessionSubject(session), JSON.stringify(task), { reply: this.replyOf(session) });
  }

  async replay(subject: string, run: ReplayWanted, timeoutMs: number): Promise<ReplayReport | undefined> {
    let answer;
    try {
      answer = await this.nc.request(subject, JSON.stringify(run), { timeout: timeoutMs });
    } catch (error) {
      if (error instanceof RequestError && error.isNoResponders()) return undefined;
      throw refuse('run.replay_failed', `no report on the replay of run ${run.run} within ${timeoutMs} ms`);
    }
    const { report, error } = answer.json<{ report?: ReplayReport; error?: string }>();
    if (!report) throw refuse('run.replay_failed', error ?? 'the worker did not say why');
    return report;
  }

  async consult(session: string, question: QuestionElsewhere): Promise<Verdict> {
    const settled = new AbortController();
    const answer = this.nc
      .request(consultSubject(session), JSON.stringify(question), { timeout: question.timeoutMs + replicaMs })
      .catch(() => undefined); // the stream is gone, or its replica
    const first = await Promise.race([answer, this.gone(session, settled.signal)]);
    settled.abort();
    return first?.json<Verdict>() ?? { type: 'gone' };
  }

  /** Nobody answers for a stream any more: what it was asked died with its replica. */
  private async gone(session: string, settled: AbortSignal): Promise<undefined> {
    for (let unanswered = 0; unanswered < mostUnanswered && !settled.aborted;) {
      await pause(probeMs, undefined, { signal: settled }).catch(() => undefined);
      if (settled.aborted) return;
      try {
        await this.nc.request(sessionSubject(session), undefined, { timeout: probeMs });
        unanswered = 0;
      } catch (error) {
        if (error instanceof RequestError && error.isNoResponders()) return;
        unanswered++;
      }
    }
  }

  /** Undefined when nobody there has a worker with the code. @throws DomainError `run.replay_failed` */
  async consultCopy(subject: string, wanted: Required<ReplayWanted>): Promise<Consulted | undefined> {
    try {
      const answer = await this.nc.request(subject, JSON.stringify(wanted), { timeout: wanted.timeoutMs + replicaMs });
      const { error, ...consulted } = answer.json<Consulted & { error?: string }>();
      if (error !== undefined) throw refuse('run.replay_failed', error);
      return consulted;
    } catch (error) {
      if (error instanceof DomainError) throw error;
      const none = error instanceof RequestError && error.isNoResponders();
      return none ? undefined : { verdict: { type: 'gone' } }; // asked of a replica that died over it
    }
  }

  /** Counts probes that reached the broker, no time: while this process itself hung or was cut off, nobody was asked. */
  private async probe(): Promise<void> {
    if (this.probing || this.nc.isClosed()) return;
    this.probing = true;
    try {
      const asked = [...this.known.keys()];
      for (const session of asked)
        this.nc.publish(sessionSubject(session), undefined, { reply: this.replyOf(session) });
      await this.nc.flush();
      for (const session of asked) this.count(session);
    } finally {
      this.probing = false;
    }
  }

  private count(session: string): void {
    const unanswered = this.known.get(session);
    if (unanswered === undefined) return;
    if (unanswered < mostUnanswered) {
      this.known.set(session, unanswered + 1);
      return;
    }
    this.known.delete(session);
    this.links.silent(session);
  }

  private lost(session: string): void {
    if (this.known.delete(session)) this.links.gone(session);
  }

  private replyOf(session: string): string {
    return `${this.links.inbox}.${session}`;
  }
}
