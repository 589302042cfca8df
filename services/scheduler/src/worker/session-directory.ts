import type { Msg, NatsConnection, Subscription } from '@nats-io/nats-core';
import type { Logger } from '@writ/ledger';
import { placeKey, type Demand, type Dispatcher, type Offered, type WorkerDirectory } from '../partition/dispatcher.js';
import type { Outlet, ReplayTask, WorkerTask } from '../partition/outlet.js';
import type { Journal } from '../run/journal.js';
import type { Question } from './consults.js';
import { Declared } from './declared.js';
import {
  RemoteSessions,
  type Consulted,
  type QuestionElsewhere,
  type RemoteLinks,
  type ReplayWanted,
} from './remote-sessions.js';
import type { ReplayReport } from './replays.js';
import { codeOf } from '../run/run-record.js';
import type { Session } from './session.js';
import {
  availableSubject,
  consultSubject,
  offeredIn,
  dispatchSubject,
  goneSubject,
  replaySubject,
  sessionSubject,
} from './session-subjects.js';

const replayMs = 60_000;
const leaseMs = 1000;

/** A stream of this process. */
interface Opened {
  session: Session;
  /** Fixed by its hello; asked for whenever a slot is free again. */
  offered: readonly Offered[];
  subscriptions: Subscription[];
}

/** Streams of this process that offer the same, and the subscriptions by which other replicas find them. */
class Offer {
  readonly sessions: Session[] = [];
  readonly subscriptions: Subscription[] = [];
  private next = 0;

  /** The next one with room: each in turn. */
  pick(): Session | undefined {
    for (let i = 0; i < this.sessions.length; i++) {
      const session = this.sessions[(this.next + i) % this.sessions.length] as Session;
      if (session.free === 0) {
        session.wanted = true;
        continue;
      }
      this.next = (this.next + i + 1) % this.sessions.length;
      return session;
    }
    return undefined;
  }
}

/** What the directory needs of the rest of the scheduler. */
export interface DirectoryLinks extends RemoteLinks {
  /** Reads a run's journal. @throws DomainError */
  journal(tenant: string, run: string): Promise<Journal & { commit: number }>;
}

/** A copy of a run, and what it is asked. */
interface Copied extends ReplayTask {
  journal: Journal & { commit: number };
  question: Question;
}

/** Every worker stream of this process, and the way to those of other replicas. */
export class SessionDirectory implements WorkerDirectory, Outlet {
  private readonly sessions = new Map<string, Opened>();
  private readonly offers = new Map<string, Offer>();
  /** Which messages the code of the workers here takes. */
  readonly declared = new Declared();
  private readonly announced = new Set<string>();
  private readonly remote: RemoteSessions;
  private readonly available: Subscription;
  dispatcher: Dispatcher | undefined;

  constructor(
    private readonly nc: NatsConnection,
    private readonly log: Logger,
    private readonly links: DirectoryLinks,
  ) {
    this.remote = new RemoteSessions(nc, links);
    this.available = nc.subscribe('worker.available.>', {
      callback: (error, message) => (error ? undefined : this.dispatcher?.available(offeredIn(message.subject))),
    });
  }

  get all(): Iterable<Session> {
    return Array.from(this.sessions.values(), ({ session }) => session);
  }

  open(session: Session): void {
    const subscription = this.nc.subscribe(sessionSubject(session.id), {
      callback: (error, message) => {
        if (error) return;
        if (message.data.length > 0) session.deliver(message.json<WorkerTask>());
        else message.respond(); // a probe
      },
    });
    const questions = this.nc.subscribe(consultSubject(session.id), {
      callback: (error, message) => {
        if (error) return;
        const { attempt, question, timeoutMs } = message.json<QuestionElsewhere>();
        void session.consult(attempt, question, timeoutMs).then((verdict) => message.respond(JSON.stringify(verdict)));
      },
    });
    const offered = [...offersOf(session)];
    this.sessions.set(session.id, { session, offered, subscriptions: [subscription, questions] });
    this.declared.add(session);
    for (const each of offered) this.offer(each).sessions.push(session);
    this.roomy(session);
  }

  /** Called once for each stream that was opened. */
  close(session: Session): void {
    for (const subscription of this.sessions.get(session.id)?.subscriptions ?? []) subscription.unsubscribe();
    this.sessions.delete(session.id);
    this.declared.remove(session);
    for (const offered of offersOf(session)) this.withdraw(offered, session);
    this.links.gone(session.id);
    if (!this.nc.isClosed()) this.nc.publish(goneSubject, session.id);
  }

  stop(): void {
    this.available.unsubscribe();
    this.remote.stop();
    for (const { session } of [...this.sessions.values()]) session.close();
  }

  /** There is room: here at once, elsewhere by a broadcast, one for all that is told in one turn. */
  roomy(session: Session): void {
    for (const offered of this.sessions.get(session.id)?.offered ?? []) {
      this.dispatcher?.available(offered);
      const key = offerKey(offered);
      if (this.announced.has(key)) continue;
      this.announced.add(key);
      setTimeout(() => {
        this.announced.delete(key);
        if (session.free > 0 && !this.nc.isClosed()) this.nc.publish(availableSubject(offered));
      }, 20).unref();
    }
  }

  pick(demand: Demand): string | undefined {
    for (const offered of acceptable(demand)) {
      const session = this.offers.get(offerKey(offered))?.pick();
      session?.reserve();
      if (session) return session.id;
    }
    return undefined;
  }

  unpick(session: string): void {
    this.sessions.get(session)?.session.unreserve();
  }

  async lease(demand: Demand, wanted: number): Promise<{ session: string; slots: number } | undefined> {
    for (const offered of acceptable(demand)) {
      const answer = await this.nc
        .request(dispatchSubject(offered), String(wanted), { timeout: leaseMs })
        .catch(() => undefined); // nobody there has such a worker
      const lease = answer?.json<{ session: string; slots: number }>();
      if (lease && lease.slots > 0) return lease;
    }
    return undefined;
  }

  /** Whether any stream, here or elsewhere, serves such runs, with room or without. */
  async isOffered(demand: Demand): Promise<boolean> {
    for (const offered of acceptable(demand)) {
      if (this.offers.has(offerKey(offered))) return true;
      const answer = this.nc.request(dispatchSubject(offered), '0', { timeout: leaseMs });
      if (await answer.catch(() => undefined)) return true;
    }
    return false;
  }

  deliver(session: string, task: WorkerTask): void {
    const local = this.sessions.get(session);
    if (local) local.session.deliver(task);
    else this.remote.deliver(session, task);
  }

  /** A strict replay by any worker that has the code, here or elsewhere; undefined when there is none. */
  async replay(demand: Demand, task: ReplayTask): Promise<ReplayReport | undefined> {
    const { tenant } = demand;
    for (const offered of acceptable(demand)) {
      const [session] = this.offers.get(offerKey(offered))?.sessions ?? [];
      if (session) return session.replay(task, replayMs);
      const report = await this.remote.replay(replaySubject(offered), { tenant, run: task.run }, replayMs + 1000);
      if (report) return report;
    }
    return undefined;
  }

  /** Asks a run where it is. */
  async consult(
    { session, attempt }: { session: string; attempt: string },
    question: Question,
    timeoutMs: number,
  ): Promise<Consulted> {
    const here = this.sessions.get(session)?.session;
    const verdict = here
      ? await here.consult(attempt, question, timeoutMs)
      : await this.remote.consult(session, { attempt, question, timeoutMs });
    return { verdict };
  }

  /** Asks a copy of a run, made by any worker that has the code; undefined when there is none. */
  async consultCopy(
    demand: Demand,
    { run, journal, question }: Copied,
    timeoutMs: number,
  ): Promise<Consulted | undefined> {
    const { tenant } = demand;
    for (const offered of acceptable(demand)) {
      const [session] = this.offers.get(offerKey(offered))?.sessions ?? [];
      if (session)
        return { verdict: await session.consultCopy({ run, journal }, question, timeoutMs), commit: journal.commit };
      const asked = await this.remote.consultCopy(replaySubject(offered), { tenant, run, question, timeoutMs });
      if (asked) return asked;
    }
    return undefined;
  }

  private offer(offered: Offered): Offer {
    const key = offerKey(offered);
    const known = this.offers.get(key);
    if (known) return known;
    const offer = new Offer();
    this.offers.set(key, offer);
    const serve = (subject: string, answer: (message: Msg) => void) =>
      offer.subscriptions.push(
        this.nc.subscribe(subject, {
          queue: 'scheduler',
          callback: (error, message) => (error ? undefined : answer(message)),
        }),
      );
    serve(dispatchSubject(offered), (message) => this.grant(offer, message));
    serve(replaySubject(offered), (message) => void this.replayFor(offer, message));
    return offer;
  }

  private withdraw(offered: Offered, session: Session): void {
    const key = offerKey(offered);
    const offer = this.offers.get(key);
    if (!offer) return;
    offer.sessions.splice(offer.sessions.indexOf(session), 1);
    if (offer.sessions.length > 0) return;
    for (const subscription of offer.subscriptions) subscription.unsubscribe();
    this.offers.delete(key);
  }

  private grant(offer: Offer, message: Msg): void {
    const session = offer.pick();
    const slots = session?.leaseOut(Number(message.string())) ?? 0;
    message.respond(JSON.stringify({ session: session?.id ?? '', slots }));
  }

  private async replayFor(offer: Offer, message: Msg): Promise<void> {
    const [session] = offer.sessions;
    try {
      if (!session) throw new Error('the worker went away');
      const { tenant, run, question, timeoutMs = replayMs } = message.json<ReplayWanted>();
      const journal = await this.links.journal(tenant, run);
      if (question) {
        const verdict = await session.consultCopy({ run, journal }, question, timeoutMs);
        return void message.respond(JSON.stringify({ verdict, commit: journal.commit }));
      }
      message.respond(JSON.stringify({ report: await session.replay({ run, journal }, replayMs) }));
    } catch (error) {
      this.log.warn({ err: error }, 'a replay for another replica failed');
      message.respond(JSON.stringify({ error: error instanceof Error ? error.message : String(error) }));
    }
  }
}

function* offersOf({ tenant, queue, workflows, actor }: Session): Iterable<Offered> {
  const { principal } = actor;
  for (const [workflow, { version }] of workflows) {
    yield { tenant, queue, workflow, principal };
    if (version !== '') yield { tenant, queue, workflow: codeOf(workflow, version), principal };
  }
}

/** Cheaper than the subject of an offer: it is made for every run that is handed over. */
function offerKey(offered: Offered): string {
  return `${offered.principal}\n${placeKey(offered)}`;
}

/** The offers to any of which a run may be given, its own agent's first. */
function* acceptable({ principals, ...place }: Demand): Iterable<Offered> {
  for (const principal of principals) yield { ...place, principal };
}
