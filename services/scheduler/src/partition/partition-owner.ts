import { steadyNow, type Commit, type Logger, type PartitionHandle } from '@writ/ledger';
import { DomainError, type Actor } from '@writ/ledger/domain';
import { journalOf } from '../run/journal.js';
import { rearm } from '../run/rearm.js';
import { commitsOf, lastCommitOf } from '../run/loops.js';
import type { Entry } from '../run/entry.js';
import type { Beat } from '../run/run.commands.js';
import type { Note } from '../run/run-index.js';
import type { Attempt, Open, RunRecord } from '../run/run-record.js';
import type { Refused, RunModel } from '../run/run-model.js';
import type { Assigner, Dispatcher } from './dispatcher.js';
import type { EndWaiters } from './end-waiters.js';
import type { History } from './history.js';
import { journalParts } from './journal-parts.js';
import { Leases } from './leases.js';
import { Slots, type SlotsParts } from '../queue/slots.js';
import type { Outlet, PendingCommand } from './outlet.js';
import { PartitionTimers } from './partition-timers.js';

/** Who acts when time passes. */
export const schedulerActor: Actor = { principal: 'scheduler', kind: 'service' };

const rebuildAgainMs = 1000;

export interface OwnerParts {
  dispatcher: Dispatcher;
  outlet: Outlet;
  history: History;
  ends: EndWaiters;
  /** To the owners of other partitions. */
  slots: Pick<SlotsParts, 'ask' | 'poke'>;
  log: Logger;
  now?: () => number;
}

/**
 * What an owner does about the runs of one partition besides recording: hands them to workers, tells workers what came
 * true once it is in the ledger, keeps the time. Nothing of it is state: a new owner starts from the index.
 */
export class PartitionOwner implements Assigner {
  readonly partition: number;
  private readonly model: RunModel;
  private readonly timers: PartitionTimers;
  readonly leases: Leases;
  readonly slots: Slots;
  private readonly sessions = new Map<string, Set<Attempt>>();
  private deferred: { run: RunRecord; session: string }[] = [];
  private counter = 0;
  private gone = false;

  constructor(
    readonly handle: PartitionHandle,
    private readonly parts: OwnerParts,
  ) {
    this.partition = handle.partition;
    this.model = handle.model as RunModel;
    this.model.onRefused = (refused) => this.refuse(refused);
    this.model.index.noting = true;
    this.timers = new PartitionTimers(this.model.index, {
      due: (run, nowMs) => this.due(run, nowMs),
      fire: (tenant, runs) => this.fire(tenant, runs),
      now: parts.now ?? steadyNow,
    });
    this.leases = new Leases({
      lost: (run, token, beat) => this.lost(run, token, beat),
      now: parts.now ?? steadyNow,
    });
    this.slots = new Slots(handle, { ...parts.slots, log: parts.log, now: parts.now });
  }

  /** How many runs are in this state. */
  runs(state: 'queued' | 'running' | 'waiting'): number {
    return this.model.index.states[state];
  }

  /** After recovery: everything that can go on and has no worker looks for one. */
  start(): void {
    const nowMs = this.now();
    for (const [run, { admitted }] of this.model.index.queues.all) run.untouched = !admitted;
    for (const run of this.model.index.all()) {
      if (run.ended) continue;
      rearm(this.model.index, run, nowMs);
      if ((!run.idle && run.notBeforeMs <= nowMs) || run.opens.some((open) => isRetry(open) && open.untilMs <= nowMs))
        this.dispatch(run);
    }
    this.slots.start();
    this.timers.arm();
  }

  /** The partition has another owner, or none: workers must not go on with what nobody will record. */
  stop(): void {
    this.gone = true;
    this.timers.stop();
    this.leases.stop();
    this.slots.stop();
    this.model.index.noting = false;
    this.model.onRefused = undefined;
    this.parts.dispatcher.forget(this);
    for (const session of this.sessions.keys()) this.evictAll(session);
    this.sessions.clear();
    for (const { session } of this.deferred.splice(0)) this.parts.outlet.deliver(session, { type: 'unused' });
  }

  /** A commit is in the ledger: what was noted for it happens now, in its order. */
  committed({ commit, events }: Commit): void {
    const { notes } = this.model.index;
    let done = 0;
    for (; done < notes.length && (notes[done] as Note).commit <= commit; done++) this.act(notes[done] as Note);
    this.model.index.notes = done === notes.length ? [] : notes.slice(done);
    this.slots.committed();
    this.parts.ends.committed(events);
    if (this.deferred.length > 0)
      for (const { run, session } of this.deferred.splice(0)) {
        run.queued = false;
        if (!this.assign(run, session)) this.parts.outlet.deliver(session, { type: 'unused' });
      }
    this.timers.arm();
  }

  assign(run: RunRecord, session: string): boolean {
    if (this.gone || !needsWorker(run)) return false;
    // What was decided and is not yet in the ledger is in no journal: wait for it.
    if (lastCommitOf(run) > this.handle.commit()) {
      run.queued = true;
      this.deferred.push({ run, session });
      return true;
    }
    run.queued = false;
    const token = `${this.partition}.${this.handle.epoch}.${(++this.counter).toString(36)}`;
    const attempt: Attempt = { token, session, run, entries: 0, idle: false, building: undefined, trace: undefined };
    run.live = attempt;
    run.untouched = false;
    this.track(attempt);
    if (run.fresh) this.first(run, attempt);
    else void this.rebuild(run, attempt);
    return true;
  }

  /** The worker says that it only waits, and had seen `entries` entries when it said so. */
  idle(tenant: string, id: string, token: string, entries: number): void {
    const live = this.model.index.get(tenant, id)?.live;
    if (live?.token !== token || live.entries !== entries) return;
    live.idle = true;
    if (this.model.index.queues.parks(live.run)) this.park(live.run);
  }

  /** Steps are under way there. */
  beats(tenant: string, id: string, token: string, beats: readonly Beat[]): void {
    const run = this.model.index.get(tenant, id);
    if (run?.live?.token === token) this.leases.beat(run, token, beats);
  }

  /** A worker has dropped these attempts. */
  released(tenant: string, dropped: readonly { run: string; attempt: string }[]): void {
    for (const { run, attempt } of dropped) {
      const live = this.model.index.get(tenant, run)?.live;
      if (live?.token === attempt) this.lose(live);
    }
  }

  /** A worker's stream is gone, and with it everything it had. */
  sessionGone(session: string): void {
    const attempts = this.sessions.get(session);
    this.sessions.delete(session);
    for (const attempt of attempts ?? []) this.lose(attempt);
  }

  /** A worker's stream cannot be reached: others get what it had. Should it be there after all, it is told. @returns how many */
  sessionSilent(session: string): number {
    const runs = this.sessions.get(session)?.size ?? 0;
    this.evictAll(session);
    this.sessionGone(session);
    return runs;
  }

  /** Streams that have runs of this partition. */
  liveSessions(): Iterable<string> {
    return this.sessions.keys();
  }

  dispatch(run: RunRecord): void {
    if (!this.gone && !run.queued && needsWorker(run) && this.slots.lets(run)) this.parts.dispatcher.enqueue(run, this);
  }

  private evictAll(session: string): void {
    for (const { token } of this.sessions.get(session) ?? [])
      this.parts.outlet.deliver(session, { type: 'evict', attempt: token, reason: 'moved' });
  }

  private lose(attempt: Attempt): void {
    this.untrack(attempt);
    const { run } = attempt;
    if (run.live !== attempt) return;
    run.live = undefined;
    rearm(this.model.index, run, this.now());
    this.timers.arm();
    if (!attempt.idle) this.dispatch(run);
  }

  private first(run: RunRecord, attempt: Attempt): void {
    const { token, session } = attempt;
    const { started, trace } = run.fresh as NonNullable<RunRecord['fresh']>;
    attempt.trace = trace;
    this.model.index.keepFresh(run, undefined);
    const { id, startedMs } = run;
    const { partition } = this;
    this.parts.outlet.deliver(session, {
      type: 'activate', attempt: token, partition, run: id, started, startedMs, trace, entries: [], length: 0, pending: [],
    }); // prettier-ignore
  }

  /** Reads the journal, and hands the run over with it. */
  private async rebuild(run: RunRecord, attempt: Attempt): Promise<void> {
    attempt.building = [];
    const due = new Set(run.opens.filter((open) => isRetry(open) && open.untilMs <= this.now()));
    for (const { trying } of due) if (trying) trying.told = attempt;
    const dueKeys = new Set(Array.from(due, keyOfOpen));
    try {
      const commits = commitsOf(run);
      const events = await this.parts.history.events(this.partition, run.tenant, run.id, commits);
      // Who was deposed meanwhile has told workers to drop what they have, and tells them nothing after that.
      if (this.gone || run.live !== attempt) return this.abandon(attempt);
      const journal = journalOf(events);
      if (!journal) throw new DomainError('run.journal_lost', `the start of run ${run.id} is not in its journal`);
      const pending = journal.pending.map((open): PendingCommand => {
        const { kind, name, occurrence, trying } = open;
        const failures = trying?.failures ?? 0;
        return { kind, name, occurrence, failures, due: dueKeys.has(keyOfOpen(open)) };
      });
      const { started, startedMs, trace, kept } = journal;
      attempt.trace = trace;
      const { length } = journal.entries;
      const { session, token } = attempt;
      const { partition } = this;
      const progress = this.leases.progress(run);
      const [entries = [], ...more] = journalParts(journal.entries);
      this.parts.outlet.deliver(session, {
        type: 'activate', attempt: token, partition, run: run.id, started, startedMs, trace, entries, length, pending, progress,
        ...(kept.length > 0 && { kept }),
      }); // prettier-ignore
      for (const part of more) this.parts.outlet.deliver(session, { type: 'journal', attempt: token, entries: part });
      const held = attempt.building;
      attempt.building = undefined;
      for (const entry of held) this.parts.outlet.deliver(session, { type: 'entry', attempt: token, entry });
    } catch (error) {
      this.parts.log.error({ err: error, run: run.id, partition: this.partition }, 'a run could not be rebuilt');
      this.abandon(attempt);
      if (run.live !== attempt) return;
      run.live = undefined;
      setTimeout(() => this.dispatch(run), rebuildAgainMs).unref();
    }
  }

  /** The slot that was taken for it is free again. */
  private abandon(attempt: Attempt): void {
    attempt.building = undefined;
    this.untrack(attempt);
    this.parts.outlet.deliver(attempt.session, { type: 'unused' });
  }

  private act(note: Note): void {
    if (note.type === 'ready') return this.dispatch(note.run);
    if (note.type === 'gives') return this.slots.gives(note);
    if (!this.sessions.get(note.live.session)?.has(note.live)) return;
    if (note.type === 'entry') return this.tell(note.live, note.entry);
    this.untrack(note.live);
    if (note.live.building) return; // its journal will find that it is not wanted any more
    const { session, token } = note.live;
    this.parts.outlet.deliver(session, { type: 'evict', attempt: token, reason: note.reason });
  }

  private tell(live: Attempt, entry: Entry): void {
    if (live.building) live.building.push(entry);
    else this.parts.outlet.deliver(live.session, { type: 'entry', attempt: live.token, entry });
  }

  private refuse({ session, attempt, reason }: Refused): void {
    this.parts.outlet.deliver(session, { type: 'evict', attempt, reason });
  }

  /** Steps whose delay is over: their worker tries again, or a worker is looked for. */
  private due(run: RunRecord, nowMs: number): void {
    const { live } = run;
    if (!live) return this.dispatch(run);
    for (const open of run.opens) {
      const { trying } = open;
      if (!trying || !isRetry(open) || open.untilMs > nowMs || trying.told === live) continue;
      trying.told = live;
      live.entries++;
      live.idle = false;
      const { kind, name, occurrence } = open;
      const outcome = { type: 'retry' as const, attempt: trying.failures + 1 };
      this.tell(live, { kind, name, occurrence, timeMs: nowMs, outcome });
    }
  }

  private async fire(tenant: string, runs: string[]): Promise<void> {
    const command = { type: 'timers' as const, runs };
    await this.handle.execute({ tenant, aggregate: 'run', subject: runs[0] as string, command, actor: schedulerActor });
  }

  private park({ tenant, id: subject }: RunRecord): void {
    const command = { type: 'park' as const };
    this.handle.execute({ tenant, aggregate: 'run', subject, command, actor: schedulerActor }).catch(() => undefined);
  }

  private lost({ tenant, id: subject }: RunRecord, token: string, beat: Beat): void {
    const command = { type: 'lost' as const, token, beat };
    // A partition that is lost has lost its workers with it.
    this.handle.execute({ tenant, aggregate: 'run', subject, command, actor: schedulerActor }).catch(() => undefined);
  }

  private track(attempt: Attempt): void {
    let attempts = this.sessions.get(attempt.session);
    if (!attempts) this.sessions.set(attempt.session, (attempts = new Set()));
    attempts.add(attempt);
  }

  private untrack(attempt: Attempt): void {
    const attempts = this.sessions.get(attempt.session);
    if (attempts?.delete(attempt) && attempts.size === 0) this.sessions.delete(attempt.session);
  }

  private now(): number {
    return (this.parts.now ?? steadyNow)();
  }
}

function needsWorker(run: RunRecord): boolean {
  return !run.ended && !run.paused && !run.live && run.cancel?.stopped === undefined;
}

function isRetry({ kind, untilMs }: Open): boolean {
  return untilMs > 0 && (kind === 'step' || kind === 'call');
}

function keyOfOpen({ name, occurrence }: { name: string; occurrence: number }): string {
  return `${occurrence} ${name}`;
}
