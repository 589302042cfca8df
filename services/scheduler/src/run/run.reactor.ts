import type { CommandClient, Reactor } from '@writ/ledger';
import { derivedId, DomainError, refuse, type LedgerEvent } from '@writ/ledger/domain';
import type { Grants } from '../outside/grants.js';
import type { Questions } from '../outside/questions.js';
import { parentAsStarter, type StartPolicy } from '../outside/start-policy.js';
import type { RunDeltas } from '../stream/run-deltas.js';
import { schedulerPartition } from '../partition/place.js';
import { isTaught, taught, taughtEvents } from '../partition/teach.js';
import { scheduleMark, scheduleReactions, ScheduleReactions } from '../schedule/schedule.reactor.js';
import { BudgetReactions, budgetReactions } from './budget.reactor.js';
import { exhaustedCode } from './decide-budget.js';
import type { RunCommand } from './run.commands.js';
import { childId } from './run-id.js';
import type { RunEventData, RunEventType } from './run.events.js';
import type { RunLookup } from './run-lookup.js';
import type { RunStarter } from './run-starter.js';
import { grantOf } from './start-request.js';

/** How long a child has to stop when its parent is cancelled. */
const childGraceMs = 30_000;
/** An approval that no one has to answer by a certain time is asked for a week. */
const questionMs = 7 * 24 * 3_600_000;

export interface ReactionParts {
  runs: CommandClient;
  starter: RunStarter;
  startPolicy: StartPolicy;
  lookup: RunLookup;
  grants: Grants;
  questions: Questions;
  deltas: Pick<RunDeltas, 'settle'>;
  /** An approval that a run waits for now may have been decided before. */
  approvalAwaited(tenant: string, approval: string): Promise<void>;
}

/** An event that is handled later than this may be handled for the second time. */
const freshMs = 5_000;

const events: readonly RunEventType[] = [
  'run.authority_requested.v1',
  'run.child_requested.v1',
  'run.waiting.v1',
  'run.resumed.v1',
  'run.cancel_requested.v1',
  'run.streamed.v1',
  'run.aborted.v1',
  'run.stopped.v1',
  'run.succeeded.v1',
  'run.failed.v1',
  'run.cancelled.v1',
];

/** What follows an event of a run in other runs, in identity and in policy. Commands have ids that derive from the event's. */
export function runReactor(parts: ReactionParts): Reactor {
  const reactions = new Reactions(parts);
  return {
    name: 'run-consequences',
    events: [...events, ...budgetReactions, ...scheduleReactions, ...taughtEvents],
    parallel: 64,
    together: ['run.child_requested.v1'],
    handle: (event) => reactions.handle(event),
  };
}

class Reactions {
  private readonly schedules: ScheduleReactions;
  private readonly budgets: BudgetReactions;

  constructor(private readonly parts: ReactionParts) {
    this.schedules = new ScheduleReactions(parts);
    this.budgets = new BudgetReactions(parts);
  }

  async handle(event: LedgerEvent): Promise<void> {
    if (event.type.startsWith('schedule.')) return this.schedules.handle(event);
    if (isTaught(event.type)) return taught(this.parts.runs, event);
    switch (event.type as RunEventType) {
      case 'run.child_requested.v1':
        return this.startChild(event, dataOf<'run.child_requested.v1'>(event));
      case 'run.resumed.v1':
        return this.startDeferred(event, dataOf<'run.resumed.v1'>(event));
      case 'run.authority_requested.v1':
        return this.grant(event);
      case 'run.waiting.v1':
        return this.ask(event, dataOf<'run.waiting.v1'>(event));
      case 'run.cancel_requested.v1': {
        const { children = [], revoked = false, reason } = dataOf<'run.cancel_requested.v1'>(event);
        return this.cancel(event, children, reason, revoked);
      }
      case 'run.streamed.v1': {
        const { name, occurrence, ...of } = dataOf<'run.streamed.v1'>(event);
        return this.parts.deltas.settle(event.tenant, event.subject, { step: `${name}/${occurrence}`, ...of });
      }
      case 'run.budget_added.v1':
        await this.budgets.handle(event);
        return this.withdraw(event);
      case 'run.aborted.v1':
      case 'run.stopped.v1':
        return this.withdraw(event);
      case 'run.succeeded.v1':
      case 'run.failed.v1':
      case 'run.cancelled.v1':
        return this.ended(event);
      default:
        return this.budgets.handle(event);
    }
  }

  /**
   * Here, and nowhere else: what follows the events of one run follows in their order, so a grant is never recorded after it was to be closed.
   * Where identity refuses, who asked finds no grant.
   */
  private async grant(event: LedgerEvent): Promise<void> {
    await this.grantOf(event).catch((error: unknown) => {
      if (!(error instanceof DomainError) || error.code.startsWith('ledger.')) throw error;
    });
  }

  /** @throws DomainError `identity.*` */
  private async grantOf({ tenant, subject }: LedgerEvent): Promise<void> {
    const start = await this.parts.lookup.start(tenant, subject);
    if (start) await this.parts.grants.issue(grantOf(start));
  }

  private async startChild(event: LedgerEvent, wanted: RunEventData<'run.child_requested.v1'>): Promise<void> {
    const { name, occurrence, child, workflow, queue, agent, depth, grant, attach, value, blob, limits, budget } =
      wanted;
    const { tenant, subject: parent } = event;
    const key = { name, occurrence, child };
    // An id that derives from the parent's is new, unless this event is handled again after a crash.
    const derived = child === childId({ life: parent, partition: schedulerPartition(tenant, parent) }, key);
    const chosen = !derived || event.type === 'run.resumed.v1' || Date.now() - Date.parse(event.time) > freshMs;
    try {
      if (chosen) await this.refuseCycle(tenant, parent, child);
      if (wanted.ungranted) await this.grantOf(event);
      const above = await this.parts.lookup.facts(tenant, parent);
      const input = blob ? { blob } : value === undefined ? {} : { value };
      const principal = parentAsStarter(tenant, parent, above ?? { agent, depth: depth - 1 });
      this.parts.startPolicy.permit({ tenant, principal, workflow, queue, input });
      const started = await this.parts.starter.start({
        tenant, id: child, chosen, workflow, queue, agent, depth, parent,
        actor: { principal: agent, kind: 'agent', run: parent },
        input,
        onBehalfOf: [parent, ...(above ? [above.agent, ...above.onBehalfOf] : [])],
        cause: event.id,
        ...(grant && { grant: grant as [] }),
        ...(wanted.version !== undefined && { version: wanted.version }),
        ...(wanted.pinned && { pinned: true }),
        ...(wanted.key !== undefined && { key: wanted.key }),
        ...(wanted.priority !== undefined && { priority: wanted.priority }),
        ...(attach && { attach }),
        ...(wanted.attributes && { attributes: wanted.attributes }),
        ...(limits && { limits }),
        ...(budget && { budget }),
        ...(event.trace !== undefined && { trace: event.trace }),
      }); // prettier-ignore
      await this.send(event, parent, { type: 'child_started', ...key }, `started ${child}`);
      if (started.attached) await this.alreadyEnded(event, parent, child);
    } catch (error) {
      if (!(error instanceof DomainError) || error.code.startsWith('ledger.') || error.code === 'policy.unavailable')
        throw error;
      const { code, message, details } = error;
      const failure = { code, message, ...(code === exhaustedCode && { details: { ...details } as never }) };
      await this.send(event, parent, { type: 'child_refused', ...key, error: failure }, `refused ${child}`);
    }
  }

  /** There is budget for them now: what was asked for when they were deferred stands in the record. */
  private async startDeferred(event: LedgerEvent, { children = [] }: RunEventData<'run.resumed.v1'>): Promise<void> {
    if (children.length === 0) return;
    const { events } = await this.parts.lookup.record(event.tenant, event.subject);
    const wanted = new Map<string, RunEventData<'run.child_requested.v1'>>();
    for (const each of events)
      if (each.type === 'run.child_requested.v1') {
        const data = dataOf<'run.child_requested.v1'>(each);
        wanted.set(`${data.occurrence} ${data.name}`, data);
      }
    for (const { name, occurrence } of children) {
      const child = wanted.get(`${occurrence} ${name}`);
      if (child) await this.startChild(event, child);
    }
  }

  /** A run that waits for one of its ancestors would wait for itself. */
  private async refuseCycle(tenant: string, parent: string, child: string): Promise<void> {
    for (let ancestor: string | undefined = parent; ancestor !== undefined;) {
      if (ancestor === child)
        throw refuse('run.cycle', `run ${child} cannot be a child of ${parent}: it is its ancestor`);
      ancestor = (await this.parts.lookup.facts(tenant, ancestor))?.parent;
    }
  }

  /** A run that was found under the child's id may have told its end before its new parent asked for it. */
  private async alreadyEnded(event: LedgerEvent, parent: string, child: string): Promise<void> {
    const { end } = await this.parts.lookup.end(event.tenant, child, 0, AbortSignal.timeout(5000));
    if (end) await this.send(end, parent, endCommand(end), `told ${parent}`);
  }

  private async ask(event: LedgerEvent, { kind, on, question, until }: RunEventData<'run.waiting.v1'>): Promise<void> {
    if (kind !== 'approval' || on === undefined) return;
    const { tenant, subject: run } = event;
    if (question) {
      const expires = until ?? new Date(Date.parse(event.time) + questionMs).toISOString();
      await this.parts.questions.ask(event, { tenant, run, approval: on, expires, ...question });
    }
    await this.parts.approvalAwaited(tenant, on);
  }

  private async ended(event: LedgerEvent): Promise<void> {
    const { notify = [], cancelChildren = [], ungranted = false } = event.data as unknown as Ended;
    const told = notify.map((by) =>
      by.startsWith(scheduleMark)
        ? this.schedules.ended(event, by.slice(scheduleMark.length))
        : this.send(event, by, endCommand(event), `told ${by}`),
    );
    await Promise.all([
      ...told,
      this.cancel(event, cancelChildren, `its parent ${event.subject} has ended`, false),
      ...(ungranted ? [] : [this.parts.grants.close(event)]),
      this.budgets.ended(event),
      this.withdraw(event),
    ]);
  }

  /** What nobody waits for any more is in no inbox. */
  private async withdraw(event: LedgerEvent): Promise<void> {
    const { approvals = [] } = event.data as { approvals?: string[] };
    const goesOn = event.type === 'run.aborted.v1' || event.type === 'run.budget_added.v1';
    const reason = `run ${event.subject} ${goesOn ? 'does not wait for it any more' : 'has ended'}`;
    await Promise.all(approvals.map((approval) => this.parts.questions.withdraw(event, approval, reason)));
  }

  private async cancel(event: LedgerEvent, runs: readonly string[], reason: string, revoked: boolean): Promise<void> {
    const command = {
      type: 'cancel' as const,
      reason,
      force: false,
      graceMs: childGraceMs,
      ...(revoked && { revoked }),
    };
    await Promise.all(runs.map((run) => this.send(event, run, command, `cancel ${run}`)));
  }

  /** To a run that may be gone: then there is nobody to tell. */
  private async send(event: LedgerEvent, run: string, command: RunCommand, step: string): Promise<void> {
    const { tenant, actor, id: cause, trace } = event;
    const id = derivedId('cmd', cause, step);
    try {
      await this.parts.runs.send({
        tenant, actor, aggregate: 'run', subject: run, command, id, cause, ...(trace !== undefined && { trace }),
      }); // prettier-ignore
    } catch (error) {
      if (!(error instanceof DomainError) || error.code !== 'run.not_found') throw error;
    }
  }
}

function dataOf<T extends RunEventType>(event: LedgerEvent): RunEventData<T> {
  return event.data as unknown as RunEventData<T>;
}

type Ended = { notify?: string[]; cancelChildren?: string[]; ungranted?: boolean };

/** The end of a run, as those hear of it who wait for it. */
export function endCommand({ type, subject: child, data }: LedgerEvent): RunCommand {
  if (type === 'run.succeeded.v1') {
    const { value, blob } = data as unknown as RunEventData<'run.succeeded.v1'>;
    const content = blob ? { blob } : value === undefined ? {} : { value };
    return { type: 'child_ended', outcome: { child, state: 'succeeded', ...content } };
  }
  if (type === 'run.failed.v1') {
    const { error } = data as unknown as RunEventData<'run.failed.v1'>;
    return { type: 'child_ended', outcome: { child, state: 'failed', error } };
  }
  const { outcomeUnknown, undone, stopped } = data as unknown as RunEventData<'run.cancelled.v1'>;
  return {
    type: 'child_ended',
    outcome: { child, state: 'cancelled', outcomeUnknown, stopped, ...(undone && { undone }) },
  };
}
