import type { Command, EventDraft, Json, LedgerEvent } from './events.js';
import { Fifo } from './fifo.js';
import { fnv1a32 } from './partitioning.js';
import { refuse } from './refusals.js';

/** Looks at another aggregate of the same tenant and partition; undefined when it has no history. */
export type Peek = <T>(aggregate: string, subject: string) => T | undefined;

/** A pure decider: state, commands, decisions. Anything that an event may mean later is in `evolve`. */
export interface Aggregate<S, C extends { type: string }, E extends EventDraft> {
  readonly name: string;
  readonly initial: S;
  /** Every event type that it writes or ever wrote; no two aggregates of a service share one. */
  readonly events: readonly E['type'][];
  /** Raise it when the shape of the state changes, so that old snapshots are not read. Default 1. */
  readonly version?: number;
  /** Forget the state of a subject when nothing touched it for this long (by event time). Default: keep it for ever. */
  readonly forgetAfterMs?: number;
  /** @returns the events of the change; none where there is nothing to change. @throws DomainError to refuse. */
  decide(command: C, state: S, about: Command<C> & { peek: Peek }): readonly E[];
  /**
   * Total: never throws, checks no rule, changes nothing in place. Giving back `initial` itself forgets the subject: it
   * is then as if it had no history.
   */
  evolve(state: S, event: { type: E['type']; data: E['data']; time: string; subject: string }): S;
}

/** Where an event stands in its partition. */
export interface CommitPoint {
  commit: number;
  index: number;
}

/**
 * The state of one partition, behind the owner's loop. Mutable on purpose: one owner, one thread.
 * Most services get theirs from {@link aggregates}; the scheduler brings its own.
 */
export interface PartitionModel {
  /** The schema version of the snapshot; another number throws old snapshots away. */
  readonly version: number;
  /** Changes nothing. @throws DomainError to refuse. */
  decide(command: Command): readonly EventDraft[];
  /**
   * Whether what `decide` gives of this type is JSON as it stands: no member undefined, nothing that is changed afterwards. It is then
   * evolved as it is, and not read back from its line first. Default: no.
   */
  plain?(type: string): boolean;
  /** Sees each event of the log once and in order, from the start or from a snapshot; total. */
  evolve(event: LedgerEvent, at: CommitPoint): void;
  /** A value that later calls of `evolve` leave alone: it is encoded in slices, afterwards. */
  snapshot(): Json;
  restore(snapshot: Json): void;
}

/** Any aggregate: methods compare bivariantly, so a concrete one is assignable. */
export type AnyAggregate = Aggregate<unknown, { type: string }, EventDraft>;

interface Entry {
  state: unknown;
  touchedMs: number;
}

interface Holder {
  aggregate: AnyAggregate;
  entries: Map<string, Entry>;
  /** Every touch of what may be forgotten, oldest first. */
  touches: Fifo<{ key: string; ms: number }>;
}

/** A partition whose state is a map of aggregates by tenant and subject. Each call of the result is a new, empty one. */
export function aggregates(list: readonly AnyAggregate[]): () => PartitionModel {
  const writers = new Map<string, AnyAggregate>();
  const names = new Set<string>();
  for (const aggregate of list) {
    if (names.has(aggregate.name)) throw new TypeError(`two aggregates are called ${aggregate.name}`);
    names.add(aggregate.name);
    for (const type of aggregate.events) {
      const other = writers.get(type);
      if (other) throw new TypeError(`${other.name} and ${aggregate.name} both write ${type}`);
      writers.set(type, aggregate);
    }
  }
  // The text of `evolve` is part of the version: a snapshot is only a cache, and one made by other code is worth nothing.
  const version = fnv1a32(list.map((a) => `${a.name}@${a.version ?? 1}:${String(a.evolve)}`).join('\n'));
  return () => new AggregateStates(list, writers, version);
}

class AggregateStates implements PartitionModel {
  readonly version: number;
  private readonly writers: ReadonlyMap<string, AnyAggregate>;
  private readonly states = new Map<string, Holder>();

  constructor(list: readonly AnyAggregate[], writers: ReadonlyMap<string, AnyAggregate>, version: number) {
    this.version = version;
    this.writers = writers;
    for (const aggregate of list)
      this.states.set(aggregate.name, { aggregate, entries: new Map(), touches: new Fifo() });
  }

  decide(command: Command): readonly EventDraft[] {
    const holder = this.states.get(command.aggregate);
    if (!holder)
      throw refuse('ledger.unknown_command', `there is no aggregate '${command.aggregate}' here`, {
        aggregate: command.aggregate,
      });
    const { tenant } = command;
    const entry = holder.entries.get(keyOf(tenant, command.subject));
    const peek: Peek = <T>(aggregate: string, subject: string) =>
      this.states.get(aggregate)?.entries.get(keyOf(tenant, subject))?.state as T | undefined;
    return holder.aggregate.decide(command.command, entry ? entry.state : holder.aggregate.initial, {
      ...command,
      peek,
    });
  }

  evolve(event: LedgerEvent): void {
    const aggregate = this.writers.get(event.type);
    if (!aggregate) return;
    const holder = this.states.get(aggregate.name) as Holder;
    const { entries } = holder;
    const key = keyOf(event.tenant, event.subject);
    const entry = entries.get(key);
    const state = aggregate.evolve(entry ? entry.state : aggregate.initial, event);
    const touchedMs = aggregate.forgetAfterMs === undefined ? 0 : Date.parse(event.time);
    if (state === aggregate.initial) entries.delete(key);
    else if (entry) {
      entry.state = state;
      entry.touchedMs = touchedMs;
    } else entries.set(key, { state, touchedMs });
    if (aggregate.forgetAfterMs === undefined) return;
    holder.touches.push({ key, ms: touchedMs });
    forget(holder, touchedMs - aggregate.forgetAfterMs);
  }

  snapshot(): Json {
    const all: Record<string, Json> = {};
    for (const [name, { entries }] of this.states)
      all[name] = Array.from(entries, ([key, entry]) => [key, entry.state as Json, entry.touchedMs]);
    return all;
  }

  restore(snapshot: Json): void {
    for (const [name, rows] of Object.entries(snapshot as Record<string, [string, Json, number][]>)) {
      const holder = this.states.get(name);
      if (!holder) continue;
      for (const [key, state, touchedMs] of rows) holder.entries.set(key, { state, touchedMs });
      if (holder.aggregate.forgetAfterMs === undefined) continue;
      for (const [key, , ms] of rows.toSorted((a, b) => a[2] - b[2])) holder.touches.push({ key, ms });
    }
  }
}

/** Whatever was touched last before `beforeMs`. A touch that was followed by a later one says nothing. */
function forget({ entries, touches }: Holder, beforeMs: number): void {
  for (let touch = touches.first; touch && touch.ms < beforeMs; touch = touches.first) {
    if (entries.get(touch.key)?.touchedMs === touch.ms) entries.delete(touch.key);
    touches.shift();
  }
}

function keyOf(tenant: string, subject: string): string {
  return `${tenant}/${subject}`;
}
