import { every } from '@writ/ledger';
import { actorsOf, codeOf, type RunRecord } from '../run/run-record.js';

/** Who hands a run over when there is a worker for it. */
export interface Assigner {
  /** @returns false when the run needs no worker any more */
  assign(run: RunRecord, session: string): boolean;
}

/** Where runs are waited for, and what code they are of: a workflow, or `workflow@version`. */
interface Place {
  tenant: string;
  queue: string;
  workflow: string;
}

/** What a worker serves: code, for runs that its principal may act in. */
export interface Offered extends Place {
  principal: string;
}

/** What a worker must have to get a run: the code, and one of these principals. */
export interface Demand extends Place {
  principals: readonly string[];
}

/** Finds workers that have room. */
export interface WorkerDirectory {
  /** A stream of this process with a free slot, which is thereby taken. */
  pick(demand: Demand): string | undefined;
  /** Gives a slot back that was not used. */
  unpick(session: string): void;
  /** Slots on other replicas, as many as wanted or fewer; undefined when none has a worker for it. */
  lease(demand: Demand, wanted: number): Promise<{ session: string; slots: number } | undefined>;
}

const mostLeased = 32;
/** How long a line that found no worker anywhere waits before it asks again, if no worker announces itself. */
const askAgainMs = 1000;

/** Runs that wait for a worker, in the order in which they became able to go on, one line for each demand. */
class Line {
  readonly demand: Demand;
  private waiting: { run: RunRecord; owner: Assigner }[] = [];
  private from = 0;
  asking = false;
  askAfterMs = 0;

  constructor(demand: Demand) {
    this.demand = demand;
  }

  get length(): number {
    return this.waiting.length - this.from;
  }

  push(run: RunRecord, owner: Assigner): void {
    this.waiting.push({ run, owner });
  }

  forget(owner: Assigner): void {
    this.waiting = this.waiting.slice(this.from).filter((each) => each.owner !== owner);
    this.from = 0;
  }

  shift(): { run: RunRecord; owner: Assigner } | undefined {
    if (this.from === this.waiting.length) return undefined;
    const first = this.waiting[this.from++];
    if (this.from > 1024 && this.from * 2 > this.waiting.length) {
      this.waiting = this.waiting.slice(this.from);
      this.from = 0;
    }
    return first;
  }
}

/** Brings runs that can go on to workers with room, here first, then on other replicas. */
export class Dispatcher {
  /** By place, then by principals. */
  private readonly places = new Map<string, Map<string, Line>>();
  private readonly directory: WorkerDirectory;
  private readonly rest: () => void;

  constructor(directory: WorkerDirectory) {
    this.directory = directory;
    this.rest = every(askAgainMs, () => this.askAgain());
  }

  stop(): void {
    this.rest();
    this.places.clear();
  }

  /** The run must not stand in a line already. */
  enqueue(run: RunRecord, owner: Assigner): void {
    run.queued = true;
    const { tenant, queue } = run;
    const workflow = codeOf(run.workflow, run.pin);
    const principals = actorsOf(run);
    const [place, who] = [placeKey({ tenant, queue, workflow }), principals.join('\n')];
    let lines = this.places.get(place);
    if (!lines) this.places.set(place, (lines = new Map()));
    let line = lines.get(who);
    if (!line) lines.set(who, (line = new Line({ tenant, queue, workflow, principals })));
    line.push(run, owner);
    this.pump(line);
  }

  /** An owner has lost its partition: its runs are another's to hand over. */
  forget(owner: Assigner): void {
    for (const line of this.lines()) line.forget(owner);
  }

  /** A worker with room is there. */
  available(offered: Offered): void {
    for (const line of [...(this.places.get(placeKey(offered))?.values() ?? [])]) {
      if (!line.demand.principals.includes(offered.principal)) continue;
      line.askAfterMs = 0;
      this.pump(line);
    }
  }

  /** How many runs wait, for people and metrics. */
  *waiting(): Iterable<Demand & { runs: number }> {
    for (const line of this.lines()) if (line.length > 0) yield { ...line.demand, runs: line.length };
  }

  private pump(line: Line): void {
    while (line.length > 0) {
      const session = this.directory.pick(line.demand);
      if (session === undefined) return this.ask(line);
      if (!this.handOver(line, session)) this.directory.unpick(session);
    }
    this.remove(line);
  }

  private *lines(): Iterable<Line> {
    for (const lines of this.places.values()) yield* lines.values();
  }

  /** Not the line that has come in its place, where this one was empty before an answer to its question came. */
  private remove(line: Line): void {
    const place = placeKey(line.demand);
    const who = line.demand.principals.join('\n');
    const lines = this.places.get(place);
    if (lines?.get(who) !== line) return;
    lines.delete(who);
    if (lines.size === 0) this.places.delete(place);
  }

  /** @returns whether a run took the slot */
  private handOver(line: Line, session: string): boolean {
    for (let next = line.shift(); next; next = line.shift()) {
      if (codeOf(next.run.workflow, next.run.pin) !== line.demand.workflow) continue; // it was pinned: it stands elsewhere
      next.run.queued = false;
      if (next.owner.assign(next.run, session)) return true;
    }
    return false;
  }

  private ask(line: Line): void {
    if (line.asking || line.askAfterMs > Date.now()) return;
    line.asking = true;
    this.directory
      .lease(line.demand, Math.min(line.length, mostLeased))
      .catch(() => undefined)
      .then((lease) => {
        line.asking = false;
        if (!lease || lease.slots === 0) {
          line.askAfterMs = Date.now() + askAgainMs;
          return;
        }
        // Slots that stay unused are taken back by the other replica when no run comes.
        for (let i = 0; i < lease.slots; i++) if (!this.handOver(line, lease.session)) break;
        this.pump(line);
      })
      .catch(() => undefined);
  }

  private askAgain(): void {
    for (const line of [...this.lines()]) this.pump(line);
  }
}

/** One key for each place, whatever its queue and workflow are called: a name may have any character. */
export function placeKey({ tenant, queue, workflow }: Place): string {
  return `${tenant}\n${queue.length}\n${queue}${workflow}`;
}
