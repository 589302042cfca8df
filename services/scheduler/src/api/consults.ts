import { setTimeout as pause } from 'node:timers/promises';
import type { Caller } from '@writ/api';
import { derivedId, DomainError, newId, refuse, type LedgerEvent } from '@writ/ledger/domain';
import type { QueryRunRequest, UpdateRunRequest } from '@writ/proto/run/v1/run';
import type { RunCommand, Seen } from '../run/run.commands.js';
import type { Content, Failure, RunEventData } from '../run/run.events.js';
import { actorsOf } from '../run/run-record.js';
import type { Scheduler } from '../scheduler.js';
import type { Question, Verdict } from '../worker/consults.js';
import type { Consulted } from '../worker/remote-sessions.js';
import { may } from './may.js';
import { errorOf, readPayload, writePayload } from './payload.js';

const defaultWaitMs = 30_000;
const longestWaitMs = 60_000;
/** One worker may take so long to answer. */
const answerMs = 10_000;
const backoffMs = [2, 5, 10, 20, 50, 100, 200, 500];

type Sent = (caller: Caller, run: string, command: RunCommand, key: string) => Promise<{ position: string }>;
type Answered = { content: Content; error?: Failure | undefined };

/** Queries and updates: what is asked of the code of a run, and answered. */
export class Consults {
  constructor(
    private readonly scheduler: Scheduler,
    private readonly send: Sent,
  ) {}

  async query({ id, query, data, jsonData }: QueryRunRequest, caller: Caller) {
    may(caller, 'run.read', id);
    const content = await readPayload(this.scheduler.values, caller.tenant, data, jsonData);
    const question = { name: query, update: false, content };
    const verdict = await this.ask(caller, id, question, Date.now() + answerMs);
    if (verdict.type === 'failed') throw refusedBy(verdict.error, 'run.query_failed');
    return this.answer(caller.tenant, verdict);
  }

  /** @throws DomainError `run.update_refused` with the words of the run's code, before anything is recorded */
  async update(request: UpdateRunRequest, caller: Caller) {
    const { id, update, data, jsonData, idempotencyKey, wait } = request;
    may(caller, 'run.send', id);
    const { tenant, principal } = caller;
    const waitMs = wait ? Number(wait.seconds) * 1000 + wait.nanos / 1e6 : defaultWaitMs;
    const until = Date.now() + Math.min(waitMs, longestWaitMs);
    const name = `${update}/${idempotencyKey ? derivedId('upd', id, principal, idempotencyKey) : newId('upd')}`;
    const content = await readPayload(this.scheduler.values, tenant, data, jsonData);
    const known = await this.outcome(caller, id, { update, name }, until);
    if (known) return known;
    const position = await this.accept(caller, id, { update, name, content }, until);
    return { done: false, position, ...(await this.outcome(caller, id, { update, name }, until)) };
  }

  /** The run's code accepts it, and that is recorded before anything else comes to the run; else the code is asked again. */
  private async accept(
    caller: Caller,
    id: string,
    { update, name, content }: { update: string; name: string; content: Content },
    until: number,
  ): Promise<string> {
    for (let attempt = 0; ; attempt++) {
      const verdict = await this.ask(caller, id, { name: update, update: true, content }, until);
      if (verdict.type === 'failed') throw refusedBy(verdict.error, 'run.update_refused');
      const command = { type: 'update' as const, update, name, content, seen: verdict.seen };
      try {
        return (await this.send(caller, id, command, '')).position;
      } catch (error) {
        if (!(error instanceof DomainError) || error.code !== 'run.update_raced') throw error;
        await this.again(id, attempt, until, caller.signal);
      }
    }
  }

  /** What became of an update; nothing where it was never accepted. */
  private async outcome(caller: Caller, id: string, { update, name }: { update: string; name: string }, until: number) {
    const { tenant, signal } = caller;
    const { state, event } = await this.scheduler.owners.update(tenant, id, name, until, signal);
    if (event) return this.done(tenant, answeredBy(event));
    if (state === 'accepted') return { done: false, position: '' };
    if (state === 'unknown') return undefined;
    const journal = await this.scheduler.lookup.journal(tenant, id);
    const entry = journal.entries.findLast((each) => each.kind === 'update' && each.name === name)?.outcome;
    if (entry?.type === 'own') return this.done(tenant, entry);
    if (entry?.type === 'failed') return this.done(tenant, { content: {}, error: entry.error });
    const before = entry ? `before it had done '${update}', which it had accepted` : `; nobody will handle '${update}'`;
    throw refuse('run.ended', `run ${id} has ended ${before}`.replace(' ;', ';'), { run: id });
  }

  private async done(tenant: string, { content, error }: Answered) {
    if (error) return { done: true, error: errorOf(error), position: '' };
    return { done: true, position: '', ...(await this.answer(tenant, { content })) };
  }

  private async answer(tenant: string, { content }: { content: Content }) {
    const { payload, plain } = await writePayload(this.scheduler.values, tenant, content);
    return { ...(payload && { answer: payload }), ...(plain && { jsonAnswer: plain }) };
  }

  /** Of the worker that has the run; where none has, of a copy that any worker with its code makes. @throws DomainError */
  private async ask(caller: Caller, id: string, question: Question, until: number) {
    const { tenant, signal } = caller;
    const { lookup, sessions } = this.scheduler;
    for (let attempt = 0; ; attempt++) {
      const worker = (await lookup.facts(tenant, id))?.worker;
      const asked = worker
        ? await sessions.consult(worker, question, Math.max(1, Math.min(until - Date.now(), answerMs)))
        : await this.askCopy(tenant, id, question, until);
      const { verdict } = asked;
      if (verdict.type === 'failed') return verdict;
      if (verdict.type === 'completed') return { ...verdict, seen: seenOf(asked, verdict, worker) };
      await this.again(id, attempt, until, signal);
    }
  }

  private async askCopy(tenant: string, run: string, question: Question, until: number) {
    const journal = await this.scheduler.lookup.journal(tenant, run);
    const { workflow, queue } = journal.started;
    const demand = { tenant, queue, workflow, principals: actorsOf(journal.started) };
    const waitMs = Math.max(1, Math.min(until - Date.now(), answerMs));
    const asked = await this.scheduler.sessions.consultCopy(demand, { run, journal, question }, waitMs);
    if (!asked)
      throw refuse('run.no_worker', `no worker with the workflow ${workflow} is connected to the queue ${queue}`);
    return asked;
  }

  private async again(id: string, attempt: number, until: number, signal: AbortSignal): Promise<void> {
    const delayMs = backoffMs[Math.min(attempt, backoffMs.length - 1)] as number;
    if (Date.now() + delayMs >= until)
      throw refuse('run.no_answer', `run ${id} could not be asked in time`, { run: id });
    await pause(delayMs, undefined, { signal });
  }
}

function seenOf(
  { commit }: Consulted,
  { entries }: Extract<Verdict, { type: 'completed' }>,
  worker: { attempt: string } | undefined,
): Seen {
  return worker ? { attempt: worker.attempt, entries } : { commit: commit ?? 0 };
}

function answeredBy({ data }: LedgerEvent): Answered {
  const { value, blob, error } = data as unknown as RunEventData<'run.update_answered.v1'>;
  return { content: blob ? { blob } : value === undefined ? {} : { value }, error };
}

/** What the code of the run said, under its own code where that is one of the platform's. */
function refusedBy({ code, message, details }: Failure, otherwise: 'run.query_failed' | 'run.update_refused') {
  if (code === 'run.no_handler' || code === 'run.cancelled' || code === 'input.invalid' || code === 'run.ended')
    return refuse(code === 'input.invalid' ? 'run.bad_input' : code, message, { ...(details as object) });
  return refuse(otherwise, message, { reason: code, ...(details as object) });
}
