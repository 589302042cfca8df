import { refuse, type LedgerEvent } from '@writ/ledger/domain';
import type { RunFacts } from '../partition/control.js';
import type { History } from '../partition/history.js';
import { schedulerPartition, type Owners } from '../partition/owners.js';
import type { RunRow } from '../view/run-view.js';
import { journalOf, sinceStart, type Journal } from './journal.js';

/** The view, as far as runs are looked up in it. */
export interface RunRows {
  find(tenant: string, id: string): Promise<RunRow | undefined>;
  ended(tenant: string, ids: readonly string[]): Promise<Set<string>>;
  deletedAt(tenant: string, id: string): Promise<Date | undefined>;
}

/** Finds out about a run wherever it is: its owner knows those that go on or ended lately, the view knows all. */
export class RunLookup {
  constructor(
    private readonly owners: Owners,
    private readonly rows: RunRows,
    private readonly history: History,
  ) {}

  /** What its owner knows. */
  facts(tenant: string, run: string): Promise<RunFacts | undefined> {
    return this.owners.describe(tenant, run);
  }

  /** The event that started a run which its owner knows and which has not ended. */
  async start(tenant: string, run: string): Promise<LedgerEvent | undefined> {
    const [first] = (await this.facts(tenant, run))?.commits ?? [];
    if (first === undefined) return undefined;
    const [start] = sinceStart(await this.history.events(schedulerPartition(tenant, run), tenant, run, [first]));
    return start?.type === 'run.started.v1' ? start : undefined;
  }

  /** The events of a run in these commits of its partition. */
  events(tenant: string, run: string, commits: readonly number[]): Promise<LedgerEvent[]> {
    return this.history.events(schedulerPartition(tenant, run), tenant, run, commits);
  }

  /** A run that its owner has forgotten, since it ended long ago. @throws DomainError `run.deleted` */
  async forgotten(tenant: string, run: string): Promise<RunRow | undefined> {
    const row = await this.rows.find(tenant, run);
    const deleted = row ? undefined : await this.rows.deletedAt(tenant, run);
    if (deleted) throw refuse('run.deleted', `run ${run} was deleted at ${deleted.toISOString()}`, { run });
    return row && row.ended_ms !== null ? row : undefined;
  }

  /** Those of these runs that ended, also long ago. */
  ended(tenant: string, runs: readonly string[]): Promise<Set<string>> {
    return runs.length === 0 ? Promise.resolve(new Set()) : this.rows.ended(tenant, runs);
  }

  /**
   * The event that ended the run; undefined when it goes on after `waitMs`.
   * @throws DomainError `run.not_found`
   */
  async end(
    tenant: string,
    run: string,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<{ state: string; end?: LedgerEvent }> {
    const { facts, end } = await this.owners.end(tenant, run, waitMs, signal);
    if (facts) return { state: facts.live && facts.state === 'queued' ? 'running' : facts.state, ...(end && { end }) };
    const row = await this.forgotten(tenant, run);
    if (!row) throw refuse('run.not_found', `there is no run ${run}`, { run });
    const events = await this.history.events(row.partition, tenant, run, [row.commit]);
    const last = events[events.length - 1];
    return { state: row.state, ...(last && { end: last }) };
  }

  /** Everything that is recorded of a run, and the commit up to which that is. @throws DomainError `run.not_found`, `run.journal_lost` */
  async journal(tenant: string, run: string): Promise<Journal & { commit: number }> {
    const { events, commit } = await this.record(tenant, run);
    const journal = journalOf(events);
    if (!journal) throw lost(run);
    return { ...journal, commit };
  }

  /** The same, event by event, from its start; of a run that was restarted only the life since then. */
  async record(tenant: string, run: string): Promise<{ events: readonly LedgerEvent[]; commit: number }> {
    const partition = schedulerPartition(tenant, run);
    const facts = await this.facts(tenant, run);
    let commits = facts?.commits ?? [(await this.forgotten(tenant, run))?.commit ?? 0];
    if (commits[0] === 0) throw refuse('run.not_found', `there is no run ${run}`, { run });
    if (commits.length === 1) {
      const events = await this.history.events(partition, tenant, run, commits);
      const last = events[events.length - 1]?.data as { journal?: number[]; span?: boolean } | undefined;
      const [from = 0, to = 0] = last?.journal ?? [];
      const journal = last?.span ? Array.from({ length: to - from + 1 }, (_, i) => from + i) : (last?.journal ?? []);
      commits = [...new Set([...journal, ...commits])];
    }
    const events = sinceStart(await this.history.events(partition, tenant, run, commits));
    if (events[0]?.type !== 'run.started.v1') throw lost(run);
    return { events, commit: commits[commits.length - 1] as number };
  }
}

function lost(run: string): Error {
  return refuse('run.journal_lost', `the start of run ${run} is not in its journal`, { run });
}
