import type { CommandClient } from '@writ/ledger';
import { derivedId, type Actor } from '@writ/ledger/domain';
import type { ConsumeApproval, RequestApproval } from './approval.commands.js';

/** Who sends the command, as every event says. */
interface By {
  readonly tenant: string;
  readonly actor: Actor;
  readonly trace?: string;
}

/**
 * The approval that an action needs: the same for the same effect, arguments and policies, so that a repeated action finds
 * the question it asked before, and a changed policy asks anew.
 */
export function approvalOf(effectId: string, argumentsDigest: string, policyVersion: string): string {
  return derivedId('apr', effectId, argumentsDigest, policyVersion);
}

/** An enforcement point's side of approvals, which live in the policy service. */
export class Approvals {
  constructor(private readonly policy: CommandClient) {}

  /** @throws DomainError `approval.*`, `ledger.*` */
  async consume(by: By, approval: string, command: Omit<ConsumeApproval, 'type'>): Promise<void> {
    await this.policy.send({
      ...by,
      aggregate: 'approval',
      subject: approval,
      command: { type: 'consume', ...command },
    });
  }

  /** Gives when it expires, unless it was asked before. @throws DomainError `ledger.*` */
  async request(by: By, approval: string, command: Omit<RequestApproval, 'type'>): Promise<string | undefined> {
    const { events } = await this.policy.send({
      ...by,
      aggregate: 'approval',
      subject: approval,
      command: { type: 'request', ...command },
    });
    return events.length > 0 ? command.expires : undefined;
  }
}
