import { decodeBytes } from '../codec/codec.js';
import { durationMs, type Duration } from '../define/duration.js';
import { WritError } from '../errors/errors.js';
import type { Bytes } from '../run/record.js';
import type { VirtualClock } from './clock.js';
import type { StartSpec, TestRun } from './test-run.js';

/** So many at once, and then evenly so many in each stretch of time. */
export interface QueueRate {
  count: number;
  per: Duration;
}

/** What a queue holds its runs to, as `writ queue set` has it. What is absent does not limit. */
export interface QueueLimits {
  /** Runs that go on at once; one that only waits does not count. */
  concurrency?: number;
  /** Runs of one key, from their first worker to their end. */
  keyConcurrency?: number;
  /** Where in the input a run's key is, when its start names none: `customer.id`. */
  key?: string;
  /** Runs that begin, of the whole queue and of one key. */
  rate?: QueueRate;
  keyRate?: QueueRate;
  /** Where in the input it stands how much a run takes of the rates and of its key's turn; default 1. */
  cost?: string;
  /** How much more than another a key gets when both wait; default 1. */
  shares?: Readonly<Record<string, number>>;
}

/** What a run goes by in its queue. */
interface Place {
  readonly run: TestRun;
  readonly key: string | undefined;
  readonly cost: number;
  readonly priority: number;
  /** It has not begun; it was let go on before and wants to again; it goes on; it waits, and has its key alone. */
  standing: 'new' | 'wants' | 'resumes' | 'holds' | 'parked';
  /** In which order they want. */
  since: number;
}

/** One queue: by priority, of one priority what began before first, and then each key in turn by its share. */
class TestQueue {
  readonly places = new Set<Place>();
  /** Start-time fair queueing: what each key has had by its share, and what the one had before that began last. */
  readonly #had = new Map<string | undefined, number>();
  #turn = 0;
  /** Up to when rates are taken up. */
  readonly #spentMs = new Map<string | undefined | typeof whole, number>();
  #stopTimer = () => {};

  constructor(
    private readonly limits: QueueLimits,
    private readonly clock: VirtualClock,
    private readonly goOn: (run: TestRun) => void,
  ) {}

  place(run: TestRun, { key: named, priority = 0 }: Pick<StartSpec, 'key' | 'priority'>): Place {
    const { limits } = this;
    const needsKey = limits.key ?? limits.keyConcurrency ?? limits.keyRate;
    const key = named || (limits.key === undefined ? undefined : textAt(run.input, limits.key));
    if (needsKey !== undefined && key === undefined)
      throw new WritError(`queue ${run.queue} has limits for each key, and the run has none`, { code: 'queue.no_key' });
    const cost = limits.cost === undefined ? 1 : at(run.input, limits.cost);
    if (!Number.isInteger(cost) || (cost as number) < 1)
      throw new WritError(`'${limits.cost}' of the input is no whole number of 1 or more`, { code: 'queue.bad_cost' });
    return { run, key, cost: cost as number, priority, standing: 'new', since: 0 };
  }

  /** Lets everybody go on who may. */
  admit(): void {
    this.#stopTimer();
    let nextMs = Infinity;
    for (;;) {
      const { concurrency = Infinity } = this.limits;
      if (this.#count(({ standing }) => standing === 'holds') >= concurrency) break;
      const [place, atMs] = this.#next();
      nextMs = atMs;
      if (!place) break;
      if (place.standing === 'wants') this.#begin(place);
      place.standing = 'holds';
      this.goOn(place.run);
    }
    if (nextMs < Infinity) this.#stopTimer = this.clock.after(nextMs - this.clock.now(), () => this.admit());
  }

  /** Who goes on next; nobody before the moment that is given. */
  #next(): [place: Place | undefined, atMs: number] {
    const asking = [...this.places].filter(({ standing }) => standing === 'wants' || standing === 'resumes');
    const turn = (place: Place) => (place.standing === 'resumes' ? -Infinity : (this.#had.get(place.key) ?? 0));
    asking.sort((a, b) => b.priority - a.priority || turn(a) - turn(b) || a.since - b.since);
    let soonest = Infinity;
    for (const place of asking) {
      if (place.standing === 'wants' && this.#keyIsFull(place)) continue;
      const atMs = place.standing === 'resumes' ? 0 : this.#ratesLet(place);
      if (atMs <= this.clock.now()) return [place, Infinity];
      soonest = Math.min(soonest, atMs);
    }
    return [undefined, soonest];
  }

  #begin({ key, cost }: Place): void {
    const { rate, keyRate, shares = {} } = this.limits;
    const now = this.clock.now();
    if (rate) this.#spentMs.set(whole, spend(rate, this.#spentMs.get(whole), cost, now));
    if (keyRate) this.#spentMs.set(key, spend(keyRate, this.#spentMs.get(key), cost, now));
    this.#turn = this.#had.get(key) ?? 0;
    this.#had.set(key, this.#turn + cost / (shares[key ?? ''] ?? 1));
  }

  /** A key that comes anew has nothing made up for. */
  enter(place: Place): void {
    const { key } = place;
    const waits = [...this.places].some((each) => each.key === key && each.standing === 'wants');
    if (!waits) this.#had.set(key, Math.max(this.#had.get(key) ?? 0, this.#turn));
    this.places.add(place);
  }

  #ratesLet({ key, cost }: Place): number {
    const { rate, keyRate } = this.limits;
    const now = this.clock.now();
    const lets = (of: QueueRate, spent: number | undefined) => spend(of, spent, cost, now) - durationMs(of.per);
    const whenever = rate ? lets(rate, this.#spentMs.get(whole)) : 0;
    return Math.max(whenever, keyRate ? lets(keyRate, this.#spentMs.get(key)) : 0);
  }

  #keyIsFull({ key }: Place): boolean {
    const { keyConcurrency = Infinity } = this.limits;
    return (
      this.#count((each) => each.key === key && each.standing !== 'new' && each.standing !== 'wants') >= keyConcurrency
    );
  }

  #count(which: (place: Place) => boolean): number {
    return [...this.places].filter(which).length;
  }
}

/** Where the rate of the whole queue stands among those of its keys. */
const whole = Symbol('the whole queue');

/** Up to when a rate (GCRA) is taken up with one run more. One that costs more than the rate gives takes all of it. */
function spend({ count, per }: QueueRate, spentMs = 0, cost: number, nowMs: number): number {
  return Math.max(spentMs, nowMs) + (Math.min(cost, count) * durationMs(per)) / count;
}

/** Queues with limits in a test, by the rules of the scheduler. */
export class TestQueues {
  readonly #queues: ReadonlyMap<string, TestQueue>;
  readonly #places = new Map<TestRun, [Place, TestQueue]>();
  #asked = 0;

  constructor(limits: Readonly<Record<string, QueueLimits>>, clock: VirtualClock, goOn: (run: TestRun) => void) {
    this.#queues = new Map(Object.entries(limits).map(([name, of]) => [name, new TestQueue(of, clock, goOn)]));
  }

  /** A run that is to be started. @throws WritError `queue.no_key`, `queue.bad_cost` */
  enter(run: TestRun, spec: Pick<StartSpec, 'key' | 'priority'>): void {
    const queue = this.#queues.get(run.queue);
    if (queue) this.#places.set(run, [queue.place(run, spec), queue]);
  }

  /** Whether a run that could go on may. If not it is admitted later. */
  lets(run: TestRun): boolean {
    const [place, queue] = this.#places.get(run) ?? [];
    if (!place || !queue || place.standing === 'holds' || run.cancelReason !== undefined) return true;
    if (place.standing === 'new') queue.enter(place);
    if (place.standing === 'new' || place.standing === 'parked') {
      place.standing = place.standing === 'new' ? 'wants' : 'resumes';
      place.since = ++this.#asked;
      queue.admit();
    }
    return false;
  }

  /** A run that only waits gives its slot back, and keeps its key. */
  parks(run: TestRun): void {
    const [place, queue] = this.#places.get(run) ?? [];
    if (place?.standing !== 'holds') return;
    place.standing = 'parked';
    queue?.admit();
  }

  ended(run: TestRun): void {
    const [place, queue] = this.#places.get(run) ?? [];
    if (!place) return;
    this.#places.delete(run);
    queue?.places.delete(place);
    queue?.admit();
  }
}

function textAt(input: Bytes, path: string): string | undefined {
  const value = at(input, path);
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value) || undefined
    : undefined;
}

/** The value at a path such as `items.0.sku`. */
function at(input: Bytes, path: string): unknown {
  let here: unknown = input && decodeBytes(input);
  for (const part of path.split('.'))
    here = typeof here === 'object' && here !== null && Object.hasOwn(here, part) ? here[part as never] : undefined;
  return here;
}
