import {
  fnv1a32,
  refuse,
  type Command,
  type EventDraft,
  type Json,
  type LedgerEvent,
  type PartitionModel,
} from '@writ/ledger/domain';
import {
  decideAdd,
  decideAwait,
  decideBudgetAnswer,
  decideBudgetRefused,
  decideExtend,
  decideRefilled,
  decideReserve,
  decideSettle,
} from './decide-budget.js';
import type { EvictReason } from './entry.js';
import {
  decideAnswer,
  decideAuthorize,
  decideCancel,
  decideChildEnded,
  decideChildRefused,
  decideChildStarted,
  decideDelete,
  decideMessage,
  decidePause,
  decideResume,
  decideTimers,
  existing,
} from './decide-outside.js';
import { decideLost, decideReport, markIdle } from './decide-report.js';
import { decidePin } from './decide-pin.js';
import { decideRestart } from './decide-restart.js';
import { decideStart, decideStarts, ticketFor } from './decide-start.js';
import { decideAdmit, decidePark, parked } from '../queue/decide-holding.js';
import { decideQueue, queuesVersion, queueKey, type QueueCommand } from '../queue/queues.js';
import { decideUpdate } from './decide-update.js';
import { decideRamp, rampsVersion, type RampCommand } from '../ramp/ramps.js';
import { evolve, evolveVersion } from './evolve.js';
import type { ReportItem, RunCommand } from './run.commands.js';
import type { RunEvent } from './run.events.js';
import { RunIndex } from './run-index.js';
import type { RunRecord } from './run-record.js';
import { restoreRuns, runsSnapshot, snapshotVersion } from './run-snapshot.js';

/** A report that is not taken, to be told to the stream it came from. */
export interface Refused {
  session: string;
  attempt: string;
  reason: EvictReason;
}

/** Runs are revoked in one commit until so much is written about them; the rest follows in the next. */
const revokedBytes = 256 * 1024;

/** The state of one partition of the scheduler: runs, and what else is recorded beside them. */
export class RunModel implements PartitionModel {
  readonly version: number;
  readonly index = new RunIndex();
  /** Told at once of a report that is not taken, which leaves no trace in the ledger. */
  onRefused: ((refused: Refused) => void) | undefined = undefined;

  /** @param others aggregates of the same partition that are not runs */
  constructor(readonly others: PartitionModel) {
    this.version = fnv1a32(`${snapshotVersion} ${evolveVersion} ${queuesVersion} ${rampsVersion} ${others.version}`);
  }

  decide(command: Command): readonly EventDraft[] {
    const { tenant, subject } = command;
    if (command.aggregate === 'queue')
      return decideQueue(command.command as QueueCommand, this.index.queues.known.get(queueKey(tenant, subject)));
    if (command.aggregate === 'ramp')
      return decideRamp(subject, command.command as RampCommand, this.index.ramps.of(tenant, subject));
    if (command.aggregate !== 'run') return this.others.decide(command);
    const what = command.command as RunCommand;
    const nowMs = Date.parse(command.time);
    switch (what.type) {
      case 'report':
        return this.reports(tenant, what.session, what.items, nowMs);
      case 'timers':
        return what.runs.flatMap((id) => {
          const run = this.index.get(tenant, id);
          return run ? decideTimers(run, nowMs) : [];
        });
      case 'revoke':
        return this.revoke(tenant, what, nowMs);
      case 'admit':
        return decideAdmit(what.runs, this.index, tenant);
      case 'park':
        return decidePark(this.index.queues, this.index.get(tenant, subject));
      case 'restart':
        return decideRestart(subject, what, this.index.get(tenant, subject));
      case 'delete':
        return decideDelete(subject, what, this.index.get(tenant, subject));
      case 'starts':
        return decideStarts(what.runs, this.index, tenant, nowMs);
      case 'start':
        return decideStart(
          subject,
          this.index.ramps.applied(tenant, subject, what),
          this.index.get(tenant, subject),
          nowMs,
          () => ticketFor(this.index.queues, tenant, what),
        );
      default:
        return decideOne(existing(subject, this.index.get(tenant, subject)), what, nowMs);
    }
  }

  plain(type: string): boolean {
    return type.startsWith('run.');
  }

  evolve(event: LedgerEvent, at: { commit: number; index: number }): void {
    if (event.type.startsWith('run.')) evolve(this.index, event, at.commit);
    else if (event.type.startsWith('queue.')) this.index.queues.evolve(event);
    else if (event.type.startsWith('ramp.')) this.index.ramps.evolve(event);
    else this.others.evolve(event, at);
  }

  snapshot(): Json {
    return {
      runs: runsSnapshot(this.index),
      youngest: this.index.youngest(),
      queues: this.index.queues.snapshot(),
      ramps: this.index.ramps.snapshot(),
      others: this.others.snapshot(),
    };
  }

  restore(snapshot: Json): void {
    const { runs, youngest, queues, ramps, others } = snapshot as {
      runs: Json;
      youngest: [string, number][];
      queues: Json;
      ramps: Json;
      others: Json;
    };
    this.index.restoreYoungest(youngest);
    restoreRuns(this.index, runs);
    this.index.queues.restore(queues, this.index);
    this.index.ramps.restore(ramps);
    this.others.restore(others);
  }

  private reports(tenant: string, session: string, items: ReportItem[], nowMs: number): RunEvent[] {
    const events: RunEvent[] = [];
    for (const item of items) {
      const run = this.index.get(tenant, item.run);
      // Only the attempt that the run has now counts: not one of a dead worker, not one that a worker made up.
      if (!run?.live || run.live.token !== item.attempt || run.live.session !== session) {
        this.onRefused?.({ session, attempt: item.attempt, reason: 'stale' });
        continue;
      }
      run.live.idle = item.idle && item.entries === run.live.entries;
      const made = decideReport(run, item, nowMs);
      if (run.live.idle) {
        markIdle(run, item, made);
        if (this.index.queues.parks(run)) parked(run, made);
      }
      const { trace } = run.live;
      events.push(...(trace === undefined ? made : made.map((event) => ({ ...event, trace }))));
    }
    return events;
  }

  /** One tenant's runs that act by a right that was taken away. Their children follow as children of a cancelled run do. */
  private revoke(tenant: string, what: Extract<RunCommand, { type: 'revoke' }>, nowMs: number): RunEvent[] {
    const events: RunEvent[] = [];
    const cancel = { type: 'cancel', reason: 'revoked', revoked: true, force: true, graceMs: 0 } as const;
    let bytes = 0;
    for (const run of this.index.ofTenant(tenant)) {
      if (run.ended || !isRevoked(run, what)) continue;
      events.push(...decideCancel(run, cancel, nowMs));
      bytes += 1000 + 8 * run.commits.length;
      if (bytes > revokedBytes) break;
    }
    return events;
  }
}

/** Whether a run acts by what was taken away. */
export function isRevoked(run: RunRecord, { kind, principal }: Extract<RunCommand, { type: 'revoke' }>): boolean {
  if (kind === 'tenant') return true;
  if (kind === 'run' && (run.id === principal || run.parent === principal)) return true;
  return run.agent === principal || run.onBehalfOf.includes(principal);
}

function decideOne(run: RunRecord, what: RunCommand, nowMs: number): RunEvent[] {
  switch (what.type) {
    case 'message':
      return decideMessage(run, what);
    case 'cancel':
      return decideCancel(run, what, nowMs);
    case 'pause':
      return decidePause(run, what);
    case 'update':
      return decideUpdate(run, what, nowMs);
    case 'pin':
      return decidePin(run, what.version);
    case 'resume':
      return decideResume(run);
    case 'authorize':
      return decideAuthorize(run);
    case 'child_started':
      return decideChildStarted(run, what);
    case 'child_refused':
      return decideChildRefused(run, what);
    case 'child_ended':
      return decideChildEnded(run, what);
    case 'answer':
      return run.budget?.own?.asked?.approval === what.approval
        ? decideBudgetAnswer(run, what, nowMs)
        : decideAnswer(run, what);
    case 'reserve':
      return decideReserve(run, what, nowMs);
    case 'settle':
      return decideSettle(run, what);
    case 'await_budget':
      return decideAwait(run, what, nowMs);
    case 'add_budget':
      return decideAdd(run, what, nowMs);
    case 'extend_budget':
      return decideExtend(run, what);
    case 'refilled':
      return decideRefilled(run, what);
    case 'budget_refused':
      return decideBudgetRefused(run, what, nowMs);
    case 'lost':
      return decideLost(run, what.token, what.beat, nowMs);
    default:
      throw refuse('ledger.unknown_command', `a run does not know '${what.type}'`);
  }
}
