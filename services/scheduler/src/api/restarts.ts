import type { Caller } from '@writ/api';
import { principalOf } from '@writ/enforcement';
import { refuse, type LedgerEvent } from '@writ/ledger/domain';
import type { Fork, RestartRunRequest } from '@writ/proto/run/v1/run';
import { endTypes } from '../partition/end-waiters.js';
import { cut, stepOf, type Cut, type Kept } from '../run/kept.js';
import type { RunCommand } from '../run/run.commands.js';
import type { Content, RunEventData } from '../run/run.events.js';
import { actorsOf } from '../run/run-record.js';
import { endCommand } from '../run/run.reactor.js';
import type { Scheduler } from '../scheduler.js';
import { may } from './may.js';

type Started = RunEventData<'run.started.v1'>;
type Sent = (caller: Caller, run: string, command: RunCommand, key: string) => Promise<{ position: string }>;

/** It goes into one commit, beside others. */
const mostKeptBytes = 4 * 1024 * 1024;

/** Runs that go on from a part of a record: of their own, or of another run. */
export class Restarts {
  constructor(
    private readonly scheduler: Scheduler,
    private readonly send: Sent,
  ) {}

  async restart({ id, from, reason }: RestartRunRequest, caller: Caller) {
    const { lookup, startPolicy } = this.scheduler;
    const { events, commit } = await lookup.record(caller.tenant, id);
    const start = events[0] as LedgerEvent;
    const was = start.data as unknown as Started;
    may(caller, 'run.start', was.workflow);
    mayActIn(caller, id, was);
    const { tenant } = caller;
    startPolicy.permit({
      tenant,
      principal: principalOf(caller),
      workflow: was.workflow,
      queue: was.queue,
      input: was,
    });
    const over = endTypes.has((events[events.length - 1] as LedgerEvent).type);
    if (over && was.parent !== undefined)
      throw cannot(`run ${id} has ended and its parent was told: restart ${was.parent}, or fork this one`);
    if (was.budget) throw cannot(`run ${id} has a budget, and what it spent stays spent: fork it, with limits`);
    const part = await this.settled(tenant, cut(events, { before: stepOf(from) }, true));
    const { notBefore: _, ...again } = was;
    const started: Started = {
      ...again,
      restarts: (was.restarts ?? 0) + 1,
      // Identity has closed its grant; it gets one when it is first needed, of no more than whoever restarts it holds.
      ...(over && { ungranted: true }),
      ...(over && !was.grant && was.agent === caller.principal && { grant: [...caller.grant] as Started['grant'] }),
    };
    const { kept, dropped } = part;
    const why = reason === '' ? {} : { reason };
    const command = { type: 'restart' as const, seen: commit, started, kept, from, dropped, ...why };
    const { position } = await this.send(caller, id, command, '');
    return { dropped, position };
  }

  /** What a new run begins with: the record of another one of its workflow, and its input where none is given. */
  async fork({ run, after }: Fork, workflow: string, caller: Caller): Promise<{ kept: Kept[]; input: Content }> {
    may(caller, 'run.replay', run);
    const { events } = await this.scheduler.lookup.record(caller.tenant, run);
    const { value, blob, ...was } = (events[0] as LedgerEvent).data as unknown as Started;
    if (was.workflow !== workflow)
      throw refuse(
        'run.bad_input',
        `run ${run} is of the workflow ${was.workflow}, and cannot be gone on from by ${workflow}`,
      );
    const part = await this.settled(caller.tenant, cut(events, after === '' ? {} : { after: stepOf(after) }, false));
    const [open] = part.waiting;
    if (open !== undefined)
      throw refuse('run.cannot_cut', `its child ${open} has not ended, and will tell its end to ${run} alone`);
    return { kept: part.kept, input: blob ? { blob } : value === undefined ? {} : { value } };
  }

  /** Children that ended after the record was: whoever goes on from it is told now. @throws DomainError `run.cannot_cut` */
  private async settled(tenant: string, part: Cut): Promise<Cut> {
    const waiting: string[] = [];
    for (const child of part.waiting) {
      const { end } = await this.scheduler.lookup.end(tenant, child, 0, AbortSignal.timeout(5000));
      const told = end && endCommand(end);
      if (told?.type !== 'child_ended') waiting.push(child);
      else
        part.kept[part.kept.length - 1]?.events.push({
          type: 'run.child_ended.v1', time: end?.time ?? '', data: JSON.parse(JSON.stringify(told.outcome)) as never,
        }); // prettier-ignore
    }
    const bytes = JSON.stringify(part.kept).length;
    if (bytes > mostKeptBytes)
      throw refuse(
        'run.cannot_cut',
        `the record up to there has ${bytes} bytes, and ${mostKeptBytes} can be taken over`,
      );
    return { ...part, waiting };
  }
}

/** An agent may not have another one's run act again, by the other's authority. @throws DomainError `auth.missing_capability` */
function mayActIn({ kind, principal }: Caller, run: string, started: Started): void {
  if (kind !== 'agent' || actorsOf(started).includes(principal)) return;
  throw refuse('auth.missing_capability', `run ${run} acts as ${started.agent}, not as ${principal}`, {
    requires: 'run.start',
  });
}

function cannot(detail: string): Error {
  return refuse('run.not_restartable', detail);
}
