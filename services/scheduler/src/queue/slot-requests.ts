import type { Logger } from '@writ/ledger';
import type { Admitted } from '../run/run.commands.js';
import type { RunIndex } from '../run/run-index.js';
import type { RunRecord } from '../run/run-record.js';
import type { Standing } from './allocator.js';
import type { Poke, QueueRows, SlotsAnswer, SlotsRequest } from './conversation.js';
import { homeOf, isLimited, queueKey, type Holding } from './queues.js';

const againMs = 200;
/** Of one request, so that it fits into a message. */
const mostRows = 2000;

export interface SlotRequestParts {
  partition: number;
  epoch: number;
  index: Pick<RunIndex, 'queues' | 'notes' | 'get'>;
  /** @throws when the home has no owner that answers */
  ask(home: number, request: SlotsRequest): Promise<SlotsAnswer>;
  /** Records from whom runs get their slots: only the owner of this partition can, and the next one will know. */
  follow(home: number, epoch: number): Promise<unknown>;
  /** Records that runs may go on. */
  admit(tenant: string, runs: Admitted[]): Promise<unknown>;
  log: Logger;
}

/** The conversation with one home. */
interface Talk {
  readonly home: number;
  /** The epoch of its owner, as recorded; and the latest one heard of. */
  to: number;
  latest: number;
  n: number;
  full: boolean;
  poked: boolean;
  busy: boolean;
  /** What is left to say of everything, and what has changed since. */
  rest: Said[];
  changes: Map<RunRecord, Standing>;
}

type Said = readonly [run: RunRecord, holding: Holding | undefined, standing: Standing];

/** What one partition asks of the homes of its runs' queues, and what it does with what it gets. Nothing of it is state. */
export class SlotRequests {
  private readonly wanting = new Set<RunRecord>();
  /** Those that will, once it is in the ledger that they gave back what they had. */
  private readonly later = new Set<RunRecord>();
  /** Admitted, and not yet recorded. */
  private readonly admitting = new Set<RunRecord>();
  private readonly talks = new Map<number, Talk>();
  private stopped = false;

  constructor(private readonly parts: SlotRequestParts) {}

  /** Every home hears of this partition, even if it has nothing: none admissions anything before it knows what all have. */
  start(): void {
    for (const { tenant, name, limits } of this.parts.index.queues.known.values())
      if (isLimited(limits)) void this.go(this.talk(homeOf(tenant, name)));
  }

  stop(): void {
    this.stopped = true;
  }

  /** The run could go on. */
  want(run: RunRecord): void {
    if (this.wanting.has(run) || this.admitting.has(run)) return;
    const holding = this.parts.index.queues.of(run);
    if (holding?.giving) return void this.later.add(run);
    this.wanting.add(run);
    this.tell(run, holding?.admitted ? 'resumes' : 'wants');
  }

  /** It has less than before, or does not want to go on any more. */
  gives(run: RunRecord, standing: 'parked' | 'gone'): void {
    const holding = this.parts.index.queues.of(run);
    if (holding) holding.giving = false;
    this.wanting.delete(run);
    this.tell(run, standing);
    if (this.later.delete(run) && holding) this.want(run);
  }

  /** It goes on without a slot: what stops does not stand in line. */
  bypass(run: RunRecord, { admitted }: Holding): void {
    if (this.wanting.has(run)) this.gives(run, admitted ? 'parked' : 'gone');
  }

  poke({ home, epoch, all }: Poke): void {
    const talk = this.talk(home);
    if (epoch < talk.latest) return;
    talk.latest = epoch;
    if (all) talk.full = true;
    talk.poked = true;
    void this.go(talk);
  }

  private tell(run: RunRecord, standing: Standing): void {
    const talk = this.talk(homeOf(run.tenant, run.queue));
    talk.changes.set(run, standing);
    void this.go(talk);
  }

  private talk(home: number): Talk {
    let talk = this.talks.get(home);
    if (!talk) {
      const to = Math.max(0, ...this.parts.index.queues.at(home).map(({ epoch }) => epoch));
      talk = { home, to, latest: to, n: 0, full: true, poked: false, busy: false, rest: [], changes: new Map() };
      this.talks.set(home, talk);
    }
    return talk;
  }

  /** One request after another, as long as there is something to say: what comes up meanwhile goes with the next. */
  private async go(talk: Talk): Promise<void> {
    if (talk.busy) return;
    talk.busy = true;
    await undefined; // what one commit brings goes together
    while (!this.stopped && (talk.full || talk.poked || talk.rest.length > 0 || talk.changes.size > 0)) {
      try {
        if (talk.latest > talk.to) await this.follow(talk);
        const answer = await this.parts.ask(talk.home, this.request(talk));
        if (!this.stopped) this.hear(talk, answer);
      } catch (error) {
        talk.full = true;
        this.parts.log.debug({ err: error, home: talk.home }, 'the home of a queue does not answer');
        await pause(againMs);
      }
    }
    talk.busy = false;
  }

  /** From here on nothing counts that an earlier owner of the home says, whoever owns this partition. */
  private async follow(talk: Talk): Promise<void> {
    const { latest } = talk;
    await this.parts.follow(talk.home, latest);
    talk.to = latest;
    talk.full = true;
  }

  private request(talk: Talk): SlotsRequest {
    const { index, partition: from, epoch } = this.parts;
    const { full } = talk;
    const queues = new Rows();
    if (full) {
      talk.rest = this.everything(talk.home);
      talk.changes.clear();
      for (const { tenant, name } of index.queues.at(talk.home))
        queues.of(tenant, name).spent = index.queues.spentOf(tenant, name);
    }
    talk.full = talk.poked = false;
    for (const [run, holding, standing] of talk.rest.splice(0, mostRows)) queues.add(run, holding, standing);
    const more = talk.rest.length > 0;
    if (!more && !full)
      for (const [run, standing] of talk.changes) {
        if (queues.rows >= mostRows) break;
        queues.add(run, index.queues.of(run), standing);
        talk.changes.delete(run);
      }
    return { type: 'slots', to: talk.to, from, epoch, n: ++talk.n, full, more, queues: queues.list };
  }

  private everything(home: number): Said[] {
    const { queues, notes } = this.parts.index;
    const ours = ({ tenant, queue }: RunRecord) => homeOf(tenant, queue) === home;
    const said: Said[] = [];
    // What they give is theirs until that is in the ledger.
    const giving = new Map(notes.flatMap((note) => (note.type === 'gives' ? [[note.run, note.holding]] : [])));
    for (const [run, holding] of giving) if (ours(run)) said.push([run, holding, 'holds']);
    for (const [run, holding] of queues.all) {
      if (giving.has(run) || !ours(run)) continue;
      const standing = this.standing(run, holding);
      if (standing !== 'gone') said.push([run, holding, standing]);
    }
    return said;
  }

  private standing(run: RunRecord, { admitted, slot }: Holding): Standing {
    if (slot || this.admitting.has(run)) return 'holds';
    if (this.wanting.has(run)) return admitted ? 'resumes' : 'wants';
    return admitted ? 'parked' : 'gone';
  }

  private hear(talk: Talk, { epoch, again, admissions }: SlotsAnswer): void {
    talk.latest = Math.max(talk.latest, epoch);
    // Who was the owner before is not heard: the request goes to whoever is now.
    if (again || epoch < talk.latest) talk.full = true;
    else if (epoch === talk.to) for (const { tenant, runs } of admissions) this.admit(tenant, runs);
  }

  private admit(tenant: string, given: Admitted[]): void {
    const runs = given.flatMap(({ run: id }) => {
      const run = this.parts.index.get(tenant, id);
      return run && this.wanting.has(run) ? [run] : [];
    });
    for (const run of runs) {
      this.wanting.delete(run);
      this.admitting.add(run);
    }
    if (runs.length === 0) return;
    const ids = new Set(runs.map(({ id }) => id));
    void this.record(
      tenant,
      runs,
      given.filter(({ run }) => ids.has(run)),
    );
  }

  private async record(tenant: string, runs: readonly RunRecord[], admitted: Admitted[]): Promise<void> {
    const recorded = await this.parts
      .admit(tenant, admitted)
      .then(() => true)
      .catch(() => false);
    for (const run of runs) {
      this.admitting.delete(run);
      if (!recorded && !this.stopped && !run.ended) this.want(run);
    }
  }
}

/** Rows by queue. */
class Rows {
  private readonly queues = new Map<string, QueueRows>();
  rows = 0;

  get list(): QueueRows[] {
    return [...this.queues.values()];
  }

  of(tenant: string, queue: string): QueueRows {
    const name = queueKey(tenant, queue);
    let rows = this.queues.get(name);
    if (!rows) this.queues.set(name, (rows = { tenant, queue, rows: [] }));
    return rows;
  }

  add({ id, tenant, queue }: RunRecord, holding: Holding | undefined, standing: Standing): void {
    const { key, cost = 1, priority = 0, sinceMs = 0 } = holding ?? {};
    this.rows++;
    this.of(tenant, queue).rows.push({ run: id, standing, ...(key !== undefined && { key }), cost, priority, sinceMs });
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
