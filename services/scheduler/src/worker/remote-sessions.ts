import { RequestError, type NatsConnection, type Subscription } from '@nats-io/nats-core';
import { refuse } from '@writ/ledger/domain';
import type { WorkerTask } from '../partition/outlet.js';
import type { ReplayReport } from './replays.js';
import { goneSubject, sessionSubject } from './session-subjects.js';

/** A strict replay that another replica is asked for: it reads the journal itself. */
export interface ReplayWanted {
  tenant: string;
  run: string;
}

const probeMs = 1000;
const noResponders = 503;

/**
 * Streams of workers that hang on other replicas. Nobody answers what is published to them, but when there is nobody to
 * take it the server says so: that is how a replica that was killed is noticed.
 */
export class RemoteSessions {
  private readonly known = new Set<string>();
  private readonly subscriptions: Subscription[];
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly nc: NatsConnection,
    private readonly inbox: string,
    private readonly gone: (session: string) => void,
  ) {
    this.subscriptions = [
      nc.subscribe(`${this.inbox}.*`, {
        callback: (error, message) => {
          if (!error && message.headers?.code === noResponders) this.lost(message.subject.slice(this.inbox.length + 1));
        },
      }),
      nc.subscribe(goneSubject, { callback: (error, message) => (error ? undefined : this.lost(message.string())) }),
    ];
    this.timer = setInterval(() => this.probe(), probeMs);
    this.timer.unref();
  }

  stop(): void {
    clearInterval(this.timer);
    for (const subscription of this.subscriptions) subscription.unsubscribe();
  }

  deliver(session: string, task: WorkerTask): void {
    if (this.nc.isClosed()) return;
    this.known.add(session);
    this.nc.publish(sessionSubject(session), JSON.stringify(task), { reply: `${this.inbox}.${session}` });
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

  private probe(): void {
    for (const session of this.known)
      this.nc.publish(sessionSubject(session), undefined, { reply: `${this.inbox}.${session}` });
  }

  private lost(session: string): void {
    if (this.known.delete(session)) this.gone(session);
  }
}
