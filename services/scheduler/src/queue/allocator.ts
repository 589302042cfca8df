import { Fifo } from '@writ/ledger/domain';
import { TimerHeap, type Sleeper } from '../run/timer-heap.js';
import type { Limits, Rate } from './queue.events.js';

/**
 * How a run stands to the slots of its queue: it wants to begin; it was let go on before and wants to again; it goes on; it waits, and has its
 * key alone; it has nothing of the queue any more.
 */
export type Standing = 'wants' | 'resumes' | 'holds' | 'parked' | 'gone';

/** A run as its partition tells of it. */
export interface Row {
  run: string;
  standing: Standing;
  key?: string | undefined;
  cost: number;
  priority: number;
  /** Since when it wants. */
  sinceMs: number;
}

/** A run that may go on. */
export interface Admission {
  run: string;
  partition: number;
  /** Until when the rate of the queue, and of the key, is taken up with it. Absent: that rate does not limit, or it had begun before. */
  spentMs?: number;
  keySpentMs?: number;
}

/** Why a run has not what it wants. */
export interface Blocked {
  by: 'concurrency' | 'key' | 'rate' | 'key_rate' | 'nothing';
  sinceMs: number;
  /** When a rate lets it; of the others nobody knows. */
  untilMs?: number;
  /** Runs that have what it wants, the longest first. */
  holders: string[];
  /** Runs before it: of its key and priority. */
  ahead: number;
}

const epsilonMs = 1e-6;

class Entry {
  constructor(
    readonly row: Row,
    readonly partition: number,
    readonly key: Key,
    public standing: Standing,
  ) {}
}

/** What is known of one key. Runs without one share one, which has no limits. */
class Key implements Sleeper {
  wakeMs = Infinity;
  admitted = 0;
  spentMs = 0;
  /** One for each priority that has runs of it. */
  readonly lines = new Map<number, Line>();

  constructor(readonly name: string | undefined) {}
}

/** Runs of one key and one priority that want to begin, in the order in which they came. */
class Line {
  private entries: Entry[] = [];
  private from = 0;
  deficit = 0;
  /** Its turn has begun. */
  turn = false;
  inRing = false;

  constructor(readonly key: Key) {}

  /** What has gone elsewhere in the meantime is passed over. */
  first(): Entry | undefined {
    while (this.from < this.entries.length && this.entries[this.from]?.standing !== 'wants') this.from++;
    if (this.from > 256 && this.from * 2 > this.entries.length) {
      this.entries = this.entries.slice(this.from);
      this.from = 0;
    }
    return this.entries[this.from];
  }

  push(entry: Entry): void {
    const first = this.first();
    if (!first || first.row.sinceMs <= entry.row.sinceMs) this.entries.push(entry);
    else if (this.from > 0) this.entries[--this.from] = entry;
    else this.entries.unshift(entry); // it was on its way to go on, and did not get there
  }

  shift(): void {
    this.from++;
  }

  sort(): void {
    this.entries = this.entries.slice(this.from).sort((a, b) => a.row.sinceMs - b.row.sinceMs);
    this.from = 0;
  }

  before(entry: Entry): number {
    let ahead = 0;
    for (let at = this.from; at < this.entries.length && this.entries[at] !== entry; at++)
      if (this.entries[at]?.standing === 'wants') ahead++;
    return ahead;
  }
}

/** Runs of one priority. */
class Level {
  /** Those that began before. */
  readonly resumed = new Fifo<Entry>();
  /** Lines that may have their turn. */
  readonly ring = new Fifo<Line>();
  /** The largest cost seen: in a turn, every key gets one run at least. */
  largest = 1;

  constructor(readonly priority: number) {}
}

/**
 * Who of one queue may go on. The higher priority goes first; of one priority, what began before; of the others each key in turn by deficit
 * round robin, weighted by its share and counted in cost. Never more than the limits, and never less than they allow.
 * It does no I/O and knows no clock; what it knows, it was told by the partitions of the runs.
 */
export class Allocator {
  private limits: Limits = {};
  private readonly entries = new Map<string, Entry>();
  private readonly keys = new Map<string | undefined, Key>();
  private readonly levels: Level[] = [];
  private readonly sleeping = new TimerHeap<Key>();
  private active = 0;
  private waiting = 0;
  private spentMs = 0;
  private rateMs = Infinity;
  private sweepAt = 1024;

  define(limits: Limits): void {
    this.limits = limits;
    for (const key of this.keys.values()) this.enter(key);
  }

  /** When a rate lets somebody who waits for it; Infinity when nobody does. */
  get nextMs(): number {
    return Math.min(this.rateMs, this.sleeping.next());
  }

  /** Runs that go on, and that wait to. */
  count(): { holding: number; waiting: number } {
    return { holding: this.active, waiting: this.waiting };
  }

  /** Since when that run waits which has waited longest; undefined where none does. */
  get oldestMs(): number | undefined {
    if (this.waiting === 0) return undefined;
    let oldest = Infinity;
    for (const { lines } of this.keys.values())
      for (const line of lines.values()) oldest = Math.min(oldest, line.first()?.row.sinceMs ?? Infinity);
    for (const { resumed } of this.levels) {
      while (resumed.first && resumed.first.standing !== 'resumes') resumed.shift();
      oldest = Math.min(oldest, resumed.first?.row.sinceMs ?? Infinity);
    }
    return oldest;
  }

  /** The limit that runs wait for, as it was after the last `admit`; undefined where none waits. */
  get limiting(): 'concurrency' | 'rate' | 'key' | undefined {
    if (this.waiting === 0) return undefined;
    if (this.full) return 'concurrency';
    return this.rateMs === Infinity ? 'key' : 'rate';
  }

  /** How a run stands now. The same again changes nothing, and keeps its place. */
  set(partition: number, row: Row): void {
    const known = this.entries.get(row.run);
    if (known?.standing === row.standing) return;
    if (known) this.leave(known);
    if (row.standing === 'gone') return void this.entries.delete(row.run);
    const entry = new Entry(row, partition, this.keyOf(row.key), row.standing);
    this.entries.set(row.run, entry);
    this.take(entry);
  }

  /** All that a partition has: what it does not name, it has not. */
  replace(partition: number, rows: readonly Row[]): void {
    const named = new Set(rows.map(({ run }) => run));
    for (const { row, partition: of } of [...this.entries.values()])
      if (of === partition && !named.has(row.run)) this.set(partition, { ...row, standing: 'gone' });
    for (const row of rows) this.set(partition, row);
  }

  /** A rate is taken up until then: of the queue, or of a key. */
  spent(key: string | undefined, untilMs: number): void {
    if (key === undefined) this.spentMs = Math.max(this.spentMs, untilMs);
    else {
      const of = this.keyOf(key);
      of.spentMs = Math.max(of.spentMs, untilMs);
    }
  }

  /** After the partitions have told one after another what they have: who came first is first again. */
  sort(): void {
    for (const { lines } of this.keys.values()) for (const line of lines.values()) line.sort();
    for (const { resumed } of this.levels) {
      const waiting = Array.from({ length: resumed.size }, () => resumed.shift() as Entry);
      for (const entry of waiting.sort((a, b) => a.row.sinceMs - b.row.sinceMs)) resumed.push(entry);
    }
  }

  /** Everybody who may go on now. They hold what they got. */
  admit(nowMs: number): Admission[] {
    const admissions: Admission[] = [];
    for (let key = this.sleeping.take(nowMs); key; key = this.sleeping.take(nowMs)) this.enter(key);
    this.rateMs = Infinity;
    for (const level of this.levels) {
      this.resume(level, admissions);
      if (this.full) break;
      if (this.rateMs === Infinity) this.begin(level, nowMs, admissions);
    }
    if (this.keys.size > this.sweepAt) this.sweep(nowMs);
    return admissions;
  }

  /** Why a run that wants to go on does not; undefined when it does not want to. */
  why(run: string, nowMs: number): Blocked | undefined {
    const entry = this.entries.get(run);
    if (!entry || !waits(entry)) return undefined;
    const { row, key, standing } = entry;
    const ahead = standing === 'wants' ? (key.lines.get(row.priority)?.before(entry) ?? 0) : 0;
    const about = { sinceMs: row.sinceMs, ahead };
    if (standing === 'wants' && this.keyIsFull(key))
      return { ...about, by: 'key', holders: this.runs((each) => each.key === key && hasKey(each)) };
    if (this.full) return { ...about, by: 'concurrency', holders: this.runs((each) => each.standing === 'holds') };
    const keyMs = key.name === undefined ? 0 : lets(this.limits.keyRate, key.spentMs, row.cost, nowMs);
    if (standing === 'wants' && keyMs > nowMs) return { ...about, by: 'key_rate', untilMs: keyMs, holders: [] };
    const rateMs = lets(this.limits.rate, this.spentMs, row.cost, nowMs);
    if (standing === 'wants' && rateMs > nowMs) return { ...about, by: 'rate', untilMs: rateMs, holders: [] };
    return { ...about, by: 'nothing', holders: [] };
  }

  private runs(which: (entry: Entry) => boolean): string[] {
    const found = [...this.entries.values()].filter(which);
    return found.sort((a, b) => a.row.sinceMs - b.row.sinceMs).map(({ row }) => row.run);
  }

  private get full(): boolean {
    return this.limits.concurrency !== undefined && this.active >= this.limits.concurrency;
  }

  private keyIsFull({ name, admitted }: Key): boolean {
    const { keyConcurrency } = this.limits;
    return name !== undefined && keyConcurrency !== undefined && admitted >= keyConcurrency;
  }

  private resume(level: Level, admissions: Admission[]): void {
    while (!this.full) {
      const entry = level.resumed.shift();
      if (!entry) return;
      if (entry.standing !== 'resumes') continue;
      entry.standing = 'holds';
      this.active++;
      this.waiting--;
      admissions.push({ run: entry.row.run, partition: entry.partition });
    }
  }

  private begin(level: Level, nowMs: number, admissions: Admission[]): void {
    const { ring } = level;
    for (let line = ring.first; line && !this.full; line = ring.first) {
      const entry = line.first();
      if (!entry || this.mustWait(line.key, entry, nowMs)) {
        Object.assign(line, { inRing: false, turn: false, deficit: 0 });
        if (!entry) line.key.lines.delete(level.priority);
        ring.shift();
        continue;
      }
      this.rateMs = lets(this.limits.rate, this.spentMs, entry.row.cost, nowMs);
      if (this.rateMs > nowMs) break;
      this.rateMs = Infinity;
      if (!line.turn) {
        line.turn = true;
        line.deficit += level.largest * (this.limits.shares?.[line.key.name ?? ''] ?? 1);
      }
      if (line.deficit < entry.row.cost) {
        line.turn = false;
        ring.shift();
        ring.push(line);
        continue;
      }
      line.deficit -= entry.row.cost;
      line.shift();
      admissions.push(this.begun(entry, nowMs));
    }
  }

  /** A key that waits for its own limits leaves the ring until they let it. */
  private mustWait(key: Key, { row }: Entry, nowMs: number): boolean {
    if (this.keyIsFull(key)) return true;
    const ms = key.name === undefined ? 0 : lets(this.limits.keyRate, key.spentMs, row.cost, nowMs);
    if (ms > nowMs) this.sleeping.set(key, Math.min(ms, key.wakeMs));
    return ms > nowMs;
  }

  private begun(entry: Entry, nowMs: number): Admission {
    const { row, partition, key } = entry;
    const { rate, keyRate } = this.limits;
    entry.standing = 'holds';
    this.active++;
    this.waiting--;
    key.admitted++;
    if (rate) this.spentMs = spend(rate, this.spentMs, row.cost, nowMs);
    if (keyRate && key.name !== undefined) key.spentMs = spend(keyRate, key.spentMs, row.cost, nowMs);
    return {
      run: row.run,
      partition,
      ...(rate && { spentMs: this.spentMs }),
      ...(keyRate && key.name !== undefined && { keySpentMs: key.spentMs }),
    };
  }

  private leave(entry: Entry): void {
    if (entry.standing === 'holds') this.active--;
    if (waits(entry)) this.waiting--;
    if (hasKey(entry)) {
      entry.key.admitted--;
      this.enter(entry.key);
    }
    entry.standing = 'gone';
  }

  private take(entry: Entry): void {
    const { key, row, standing } = entry;
    if (standing === 'holds') this.active++;
    if (waits(entry)) this.waiting++;
    if (hasKey(entry)) key.admitted++;
    const level = this.level(row.priority);
    if (standing === 'resumes') level.resumed.push(entry);
    if (standing !== 'wants') return;
    level.largest = Math.max(level.largest, row.cost);
    let line = key.lines.get(row.priority);
    if (!line) key.lines.set(row.priority, (line = new Line(key)));
    line.push(entry);
    this.enterRing(level, line);
  }

  /** Its lines may have their turns again. */
  private enter(key: Key): void {
    for (const [priority, line] of key.lines) this.enterRing(this.level(priority), line);
  }

  private enterRing(level: Level, line: Line): void {
    if (line.inRing) return;
    line.inRing = true;
    level.ring.push(line);
  }

  private level(priority: number): Level {
    let at = this.levels.findIndex((level) => level.priority <= priority);
    if (at < 0) at = this.levels.length;
    if (this.levels[at]?.priority !== priority) this.levels.splice(at, 0, new Level(priority));
    return this.levels[at] as Level;
  }

  private keyOf(name: string | undefined): Key {
    let key = this.keys.get(name);
    if (!key) this.keys.set(name, (key = new Key(name)));
    return key;
  }

  private sweep(nowMs: number): void {
    for (const [name, key] of this.keys)
      if (key.admitted === 0 && key.lines.size === 0 && key.spentMs <= nowMs && key.wakeMs === Infinity)
        this.keys.delete(name);
    this.sweepAt = Math.max(1024, this.keys.size * 2);
  }
}

function waits({ standing }: Entry): boolean {
  return standing === 'wants' || standing === 'resumes';
}

function hasKey({ standing }: Entry): boolean {
  return standing === 'holds' || standing === 'parked' || standing === 'resumes';
}

/** When a rate (GCRA) lets a run of this cost. One that costs more than the rate gives takes all of it. */
function lets(rate: Rate | undefined, spentMs: number, cost: number, nowMs: number): number {
  if (!rate) return 0;
  const at = spend(rate, spentMs, cost, nowMs) - rate.periodMs;
  return at <= nowMs + epsilonMs ? nowMs : at;
}

function spend({ count, periodMs }: Rate, spentMs: number, cost: number, nowMs: number): number {
  return Math.max(spentMs, nowMs) + (Math.min(cost, count) * periodMs) / count;
}
