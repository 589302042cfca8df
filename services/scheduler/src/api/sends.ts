import { checkerOf, type Caller } from '@writ/api';
import type { CommandResult } from '@writ/ledger';
import { SendMessageRequestSchema, type SendMessageRequest } from '@writ/proto/run/v1/run';
import { refuse } from '@writ/ledger/domain';
import type { RunCommand } from '../run/run.commands.js';
import type { RunRecord } from '../run/run-record.js';
import type { Scheduler } from '../scheduler.js';
import { may } from './may.js';
import { readPayload } from './payload.js';
import { problemOf } from './problem.js';

const check = checkerOf(SendMessageRequestSchema);
/** Others get a turn after so many. */
const atOnce = 500;

type Message = Extract<RunCommand, { type: 'message' }>;
/** Sends a command to a run, once for each key. */
type Send = (caller: Caller, run: string, command: RunCommand, key: string) => Promise<CommandResult>;

/** Messages that callers send: one, or many of which each is sent or refused by itself. */
export class Sends {
  constructor(
    private readonly scheduler: Pick<Scheduler, 'values' | 'log' | 'owners' | 'sessions' | 'turns'>,
    private readonly send: Send,
  ) {}

  /** @throws DomainError */
  async one(request: SendMessageRequest, caller: Caller): Promise<{ position: string }> {
    const { position } = await this.send(caller, request.id, await this.read(request, caller), request.idempotencyKey);
    return { position };
  }

  async many(requests: readonly SendMessageRequest[], caller: Caller) {
    const sent: PromiseSettledResult<CommandResult>[][] = [];
    for (let from = 0; from < requests.length; from += atOnce) {
      if (from > 0) await this.scheduler.turns.next(caller.tenant);
      sent.push(await this.some(requests.slice(from, from + atOnce), caller));
    }
    return sent.flat().map((each) => {
      if (each.status === 'fulfilled')
        return { outcome: { case: 'sent' as const, value: { position: each.value.position } } };
      return { outcome: { case: 'problem' as const, value: problemOf(each.reason, this.scheduler.log) } };
    });
  }

  /** Read all first: a large value takes a moment, and what comes behind it must not overtake it. */
  private async some(requests: readonly SendMessageRequest[], caller: Caller) {
    const read = await Promise.allSettled(requests.map((request) => this.read(request, caller, check)));
    return Promise.allSettled(
      requests.map(({ id, idempotencyKey }, i) => {
        const message = read[i] as PromiseSettledResult<Message>;
        if (message.status === 'rejected') return Promise.reject(message.reason as Error);
        return this.send(caller, id, message.value, idempotencyKey);
      }),
    );
  }

  private async read(request: SendMessageRequest, caller: Caller, rules?: typeof check): Promise<Message> {
    rules?.(request);
    may(caller, 'run.send', request.id);
    const { message, data, jsonData } = request;
    const run = this.scheduler.owners.find(caller.tenant, request.id);
    if (run) refuseUnknown(this.scheduler, run, message);
    const content = await readPayload(this.scheduler.values, caller.tenant, data, jsonData);
    return { type: 'message', message, content };
  }
}

/** As far as is known here: of runs whose partition is here, and of code that workers here have. @throws DomainError `run.unknown_message` */
export function refuseUnknown(
  { sessions }: Pick<Scheduler, 'sessions'>,
  { tenant, queue, workflow }: Pick<RunRecord, 'tenant' | 'queue' | 'workflow'>,
  message: string,
): void {
  const others = sessions.declared.others(tenant, queue, workflow, message);
  if (!others) return;
  const takes = others.length > 0 ? `only ${others.join(', ')}` : 'none at all';
  throw refuse('run.unknown_message', `the workflow '${workflow}' takes no message '${message}', ${takes}`, {
    message,
  });
}
