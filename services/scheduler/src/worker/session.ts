import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Logger } from '@writ/ledger';
import { DomainError, refuse, type Actor } from '@writ/ledger/domain';
import type {
  ConnectRequest,
  ConnectResponseSchema,
  Deltas as WireDeltas,
  Hello,
  Report,
  TaskSchema,
  WorkflowCode,
} from '@writ/proto/worker/v1/worker';
import type { ReplayTask, WorkerTask } from '../partition/outlet.js';
import type { Beat, ReportItem } from '../run/run.commands.js';
import type { Deltas } from '../stream/delta.js';
import { Consults, type Question, type Verdict } from './consults.js';
import { deltasIn } from './deltas-in.js';
import { reportSize, withClaims, type ClaimValue } from './large-values.js';
import { Outbound } from './outbound.js';
import { Replays, type ReplayReport } from './replays.js';
import { lifeOf } from '../run/life.js';
import { reportItem } from './report.js';
import { wireConsult, wireCopy, wireReplay, wireTask } from './task.js';

type Frame = MessageInitShape<typeof ConnectResponseSchema>;

/** What a stream needs of the rest of the scheduler. */
export interface SessionLinks {
  /** Reports on runs of one partition, to its owner. Rejects when no owner took them. */
  report(session: Session, partition: number, items: ReportItem[]): Promise<void>;
  idle(session: Session, partition: number, run: string, attempt: string, entries: number): void;
  beats(session: Session, partition: number, run: string, attempt: string, beats: Beat[]): void;
  /** What a step of a run wrote. Never waits. */
  deltas(session: Session, run: string, deltas: Deltas): void;
  /** Resolves when what was written of a run is stored, or given up. */
  deltasStored(session: Session, run: string): Promise<void>;
  released(session: Session, partition: number, dropped: { run: string; attempt: string }[]): void;
  /** There is room for a run again. */
  roomy(session: Session): void;
  closed(session: Session): void;
  claim: ClaimValue;
  /** Verifies a fresh token of the same principal. @throws DomainError `auth.*` */
  renew(session: Session, token: string): Promise<void>;
}

export interface SessionOptions {
  id: string;
  tenant: string;
  actor: Actor;
  hello: Hello;
  token: string;
  links: SessionLinks;
  log: Logger;
}

interface Held {
  partition: number;
  run: string;
  /** The run's id, until it was restarted. */
  life: string;
  /** It takes a slot. */
  active: boolean;
}

/** A command for an owner grows to this, so that it fits into one commit. */
const reportBytes = 256 * 1024;
/** Reports under way before the next frame is read: a worker that is faster than the ledger waits. */
const mostUnderWay = 64;
/** The journal of a strict replay goes in one frame. */
const mostReplayBytes = 3 * 1024 * 1024;
/** A worker that lost a step to its silence gets no run for this long, unless it is heard of. */
const silenceMs = 60_000;
/** Slots that were promised to another replica and not used are taken back. */
const leaseMs = 2000;

/** One worker's stream: what it has, what it is told, what it says. */
export class Session {
  readonly id: string;
  readonly tenant: string;
  readonly actor: Actor;
  private readonly links: SessionLinks;
  private readonly log: Logger;
  readonly queue: string;
  readonly workflows: ReadonlyMap<string, WorkflowCode>;
  readonly worker: string;
  /** Somebody looked here for a slot and found none: they are told when there is one. */
  wanted = false;
  /** Proves, every now and then, that the worker may still be here. */
  token: string;
  private readonly concurrency: number;
  private readonly held = new Map<string, Held>();
  private readonly out = new Outbound();
  private readonly replays = new Replays();
  private readonly consults = new Consults();
  private active = 0;
  private reserved = 0;
  private leased = 0;
  private lease: NodeJS.Timeout | undefined;
  private draining = false;
  private closed = false;
  private failing = false;
  /** A step here was not heard of for too long: no more runs until the worker says anything, or that long. */
  private silentUntilMs = 0;
  private underWay = 0;
  private wake: (() => void) | undefined;

  constructor({ id, tenant, actor, hello, token, links, log }: SessionOptions) {
    this.id = id;
    this.tenant = tenant;
    this.actor = actor;
    this.queue = hello.queue || 'default';
    this.workflows = new Map(hello.workflows.map((code) => [code.name, code]));
    this.worker = hello.worker;
    this.concurrency = hello.concurrency || 100;
    this.token = token;
    this.links = links;
    this.log = log;
  }

  get free(): number {
    if (this.draining || this.closed || this.silentUntilMs > Date.now()) return 0;
    return Math.max(0, this.concurrency - this.active - this.reserved - this.leased);
  }

  /** Runs it has, the idle ones included. */
  get runs(): number {
    return this.held.size;
  }

  reserve(): void {
    this.reserved++;
  }

  unreserve(): void {
    if (this.reserved > 0) this.reserved--;
  }

  /** Promises slots to another replica. */
  leaseOut(wanted: number): number {
    const slots = Math.min(wanted, this.free);
    this.leased += slots;
    clearTimeout(this.lease);
    this.lease = setTimeout(() => {
      this.leased = 0;
      this.roomy();
    }, leaseMs);
    this.lease.unref();
    return slots;
  }

  deliver(task: WorkerTask): void {
    if (this.closed) return;
    switch (task.type) {
      case 'unused':
        this.unreserve();
        return this.roomy();
      case 'activate': {
        if (this.reserved > 0) this.reserved--;
        else if (this.leased > 0) this.leased--;
        const { partition, run } = task;
        this.held.set(task.attempt, { partition, run, life: lifeOf(run, task.started), active: true });
        this.active++;
        break;
      }
      case 'entry': {
        const held = this.held.get(task.attempt);
        if (!held) return; // released, and its owner will hear of it
        if (!held.active) {
          held.active = true;
          this.active++;
        }
        break;
      }
      case 'evict':
        if (task.reason === 'lost') this.silentUntilMs = Date.now() + silenceMs;
        this.drop(task.attempt);
        break;
      case 'journal':
    }
    this.out.task(...wireTask(task));
  }

  /** Has the worker replay a run strictly. @throws DomainError `run.replay_failed` */
  replay(task: ReplayTask, timeoutMs: number): Promise<ReplayReport> {
    return this.replays.ask(timeoutMs, (id) => {
      const [replay, size] = wireReplay(id, task);
      checkSize(task.run, size);
      this.out.task({ task: { case: 'replay', value: replay } } as MessageInitShape<typeof TaskSchema>, size);
    });
  }

  /** Asks a run that the worker has. */
  consult(attempt: string, question: Question, timeoutMs: number): Promise<Verdict> {
    if (this.closed || !this.held.has(attempt)) return Promise.resolve({ type: 'gone' });
    return this.consults.ask(timeoutMs, (id) => this.out.task(...wireConsult(id, question, { attempt })));
  }

  /** Has the worker make a copy of a run, and asks that. @throws DomainError `run.replay_failed` */
  consultCopy(of: ReplayTask, question: Question, timeoutMs: number): Promise<Verdict> {
    if (this.closed) return Promise.resolve({ type: 'gone' });
    return this.consults.ask(timeoutMs, (id) => {
      const [run, size] = wireCopy(of);
      checkSize(of.run, size);
      this.out.task(...wireConsult(id, question, { run }));
    });
  }

  /** Takes one frame in; resolves when the next may be read. */
  async receive(frame: ConnectRequest): Promise<void> {
    if (this.silentUntilMs > 0) this.heard();
    if (frame.accessToken !== '') await this.links.renew(this, frame.accessToken);
    if (frame.drain) this.draining = true;
    for (const result of frame.replays) this.replays.answer(result);
    for (const result of frame.consulted) this.consults.answer(result);
    for (const written of frame.deltas) this.written(written);
    if (frame.reports.length > 0) await this.reports(frame.reports);
    if (frame.release.length > 0) this.release(frame.release);
    while (this.underWay > mostUnderWay && !this.closed) await new Promise<void>((resolve) => (this.wake = resolve));
  }

  /** Frames for the worker, until the stream ends. */
  frames(): AsyncIterable<Frame> {
    return this.out.frames();
  }

  /** Ends the stream with a refusal. */
  fail(error: DomainError): void {
    this.failing = true;
    this.out.end(error);
  }

  /** Reading from the worker failed: it went away, or what it sent could not be taken. */
  failed(error: unknown): void {
    if (error instanceof DomainError) this.fail(error);
    else if (!this.failing && !this.closed) this.log.info({ session: this.id, err: error }, 'a worker stream broke');
    this.close();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.lease);
    this.wake?.();
    this.out.end();
    this.replays.close();
    this.consults.close();
    this.links.closed(this);
  }

  /** Steps write in runs that are here, and nowhere else. */
  private written(wire: WireDeltas): void {
    const held = this.held.get(wire.attempt);
    const deltas = held && deltasIn(wire);
    if (deltas) this.links.deltas(this, held.run, deltas);
  }

  private async reports(reports: readonly Report[]): Promise<void> {
    const batches = new Map<number, { items: ReportItem[]; bytes: number }>();
    const items = new Map<string, ReportItem>();
    const flush = (partition: number) => {
      const batch = batches.get(partition);
      if (!batch) return;
      batches.delete(partition);
      for (const item of batch.items) items.delete(item.attempt);
      this.send(partition, batch.items);
    };
    for (const report of reports) {
      const held = this.held.get(report.attempt);
      if (!held) {
        this.deliver({ type: 'evict', attempt: report.attempt, reason: 'stale' });
        continue;
      }
      // Whoever hears of the step's end finds all that it wrote.
      if (report.commands.some(({ streamed }) => streamed > 0n)) await this.links.deltasStored(this, held.run);
      const bytes = reportSize(report);
      const item = this.read(bytes > 0 ? await withClaims(report, this.links.claim, this.tenant) : report, held);
      if (item.beats) {
        this.links.beats(this, held.partition, held.run, item.attempt, item.beats);
        delete item.beats; // nothing of them is recorded
      }
      const earlier = items.get(report.attempt);
      const batch = batches.get(held.partition);
      if (batch && batch.bytes + bytes > reportBytes) flush(held.partition);
      else if (earlier) {
        // Two reports on one run in one frame are one: it must not be decided on twice from the same state.
        append(earlier, item);
        continue;
      }
      const open = batches.get(held.partition) ?? { items: [], bytes: 0 };
      open.items.push(item);
      open.bytes += bytes;
      batches.set(held.partition, open);
      items.set(report.attempt, item);
    }
    for (const partition of [...batches.keys()]) flush(partition);
  }

  /** A report that cannot be read pauses its run: another try would read no better. */
  private read(report: Report, held: Held): ReportItem {
    const { run } = held;
    try {
      return reportItem(report, held);
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      this.log.warn({ session: this.id, run, detail: error.message }, 'a worker sent a report that makes no sense');
      const end = { type: 'diverged' as const, difference: { position: 0, text: error.message } };
      return { run, attempt: report.attempt, commands: [], end, idle: false, entries: 0 };
    }
  }

  private send(partition: number, items: ReportItem[]): void {
    const changes: ReportItem[] = [];
    for (const item of items) {
      if (item.idle && !item.end) this.rest(item.attempt);
      if (item.commands.length > 0 || item.end) changes.push(item);
      else if (item.idle) this.links.idle(this, partition, item.run, item.attempt, item.entries);
    }
    if (changes.length === 0) return;
    this.underWay++;
    this.links
      .report(this, partition, changes)
      .catch((error: unknown) => this.lost(partition, changes, error))
      .finally(() => {
        this.underWay--;
        this.wake?.();
        this.wake = undefined;
      });
  }

  /** Nobody recorded it: the worker must not believe that it happened. */
  private lost(partition: number, items: ReportItem[], error: unknown): void {
    this.log.warn({ session: this.id, partition, runs: items.length, err: error }, 'reports found no owner');
    for (const { attempt } of items) this.deliver({ type: 'evict', attempt, reason: 'moved' });
    this.links.released(this, partition, items);
  }

  private release(attempts: readonly string[]): void {
    const byPartition = new Map<number, { run: string; attempt: string }[]>();
    for (const attempt of attempts) {
      const held = this.held.get(attempt);
      if (!held) continue;
      this.drop(attempt);
      const dropped = byPartition.get(held.partition) ?? [];
      dropped.push({ run: held.run, attempt });
      byPartition.set(held.partition, dropped);
    }
    for (const [partition, dropped] of byPartition) this.links.released(this, partition, dropped);
  }

  /** A run that only waits takes no slot. */
  private rest(attempt: string): void {
    const held = this.held.get(attempt);
    if (!held?.active) return;
    held.active = false;
    this.active--;
    this.roomy();
  }

  private drop(attempt: string): void {
    const held = this.held.get(attempt);
    if (!held) return;
    this.held.delete(attempt);
    if (!held.active) return;
    this.active--;
    this.roomy();
  }

  private heard(): void {
    this.silentUntilMs = 0;
    this.roomy();
  }

  private roomy(): void {
    if (!this.wanted || this.free === 0) return;
    this.wanted = false;
    this.links.roomy(this);
  }

  /** Runs of a partition whose owner is not the one that handed them over any more. */
  evictOlder(partition: number, epoch: number): void {
    for (const [attempt, held] of this.held)
      if (held.partition === partition && Number(attempt.split('.')[1]) < epoch)
        this.deliver({ type: 'evict', attempt, reason: 'moved' });
  }
}

/** A copy of a run is made from one frame. */
function checkSize(run: string, size: number): void {
  if (size > mostReplayBytes)
    throw refuse('run.replay_failed', `the journal of ${run} has ${size} bytes; ${mostReplayBytes} can be replayed`);
}

function append(earlier: ReportItem, later: ReportItem): void {
  earlier.commands.push(...later.commands);
  if (later.end && !earlier.end) earlier.end = later.end;
  earlier.idle = later.idle;
  earlier.entries = later.entries;
}
