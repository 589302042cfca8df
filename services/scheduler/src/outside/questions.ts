import type { ApprovalCommand } from '@writ/enforcement';
import type { CommandClient } from '@writ/ledger';
import { derivedId, type Json, type LedgerEvent } from '@writ/ledger/domain';

/** A question of a run to people. */
export interface Question {
  tenant: string;
  run: string;
  approval: string;
  title: string;
  detail?: Json | undefined;
  schema?: Json | undefined;
  approvers: readonly string[];
  agent: string;
  /** ISO 8601. */
  expires: string;
  /** After it was asked. */
  remindMs?: readonly number[] | undefined;
  escalate?: readonly { afterMs: number; to: readonly string[] }[] | undefined;
}

/** The port to who asks people. */
export interface Questions {
  /** A repeat is a success. @param cause the event by which the run asks */
  ask(cause: LedgerEvent, question: Question): Promise<void>;
  /** Nobody waits for the answer any more. Where it was decided before that stays so. */
  withdraw(cause: LedgerEvent, approval: string, reason: string): Promise<void>;
}

/** Policy's approvals, by commands to its ledger. */
export class PolicyQuestions implements Questions {
  constructor(private readonly policy: CommandClient) {}

  async ask(cause: LedgerEvent, question: Question): Promise<void> {
    const { tenant, run, approval, title, detail = null, schema, approvers, agent, expires } = question;
    const after = (ms: number) => new Date(Date.parse(cause.time) + ms).toISOString();
    // What an answer has to look like is part of what people are shown.
    const shown = schema === undefined ? detail : { detail, schema };
    const command: ApprovalCommand = {
      type: 'request',
      kind: 'question',
      title,
      detail: shown,
      agent,
      run,
      approvers,
      expires,
      ...(schema !== undefined && { schema }),
      ...(question.remindMs && { remind: question.remindMs.toSorted((a, b) => a - b).map(after) }),
      ...(question.escalate && {
        escalate: question.escalate
          .toSorted((a, b) => a.afterMs - b.afterMs)
          .map(({ afterMs, to }) => ({ at: after(afterMs), to })),
      }),
    };
    await this.policy.send({
      tenant,
      actor: cause.actor,
      aggregate: 'approval',
      subject: approval,
      command,
      id: derivedId('cmd', cause.id, 'ask'),
      cause: cause.id,
      ...(cause.trace !== undefined && { trace: cause.trace }),
    });
  }

  async withdraw(cause: LedgerEvent, approval: string, reason: string): Promise<void> {
    const { tenant, actor, id, trace } = cause;
    const command: ApprovalCommand = { type: 'withdraw', reason };
    await this.policy.send({
      tenant,
      actor,
      aggregate: 'approval',
      subject: approval,
      command,
      id: derivedId('cmd', id, `withdraw ${approval}`),
      cause: id,
      ...(trace !== undefined && { trace }),
    });
  }
}

/** Keeps the questions; for tests. */
export class FakeQuestions implements Questions {
  readonly asked: Question[] = [];
  readonly withdrawn: string[] = [];

  async ask(_cause: LedgerEvent, question: Question): Promise<void> {
    this.asked.push(question);
  }

  async withdraw(_cause: LedgerEvent, approval: string): Promise<void> {
    this.withdrawn.push(approval);
  }
}
