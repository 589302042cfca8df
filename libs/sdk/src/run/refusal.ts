import { DeniedError } from '../errors/errors.js';
import type { PersonAnswer } from './record.js';

/** A person said no. */
export function deniedBy(answer: PersonAnswer, what: string): DeniedError {
  const text = answer.reason || 'no reason was given';
  return new DeniedError(`${answer.by} said no to '${what}': ${text}`, {
    code: 'approval.denied',
    details: { by: answer.by, reason: answer.reason },
    decision: {
      id: answer.approvalId,
      outcome: 'deny',
      reasons: [{ code: 'approval.denied', policy: '', text }],
      approvalId: answer.approvalId,
    },
  });
}
