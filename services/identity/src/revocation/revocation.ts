import { isRunId } from '@writ/enforcement';
import { refuse, type Aggregate, type Peek } from '@writ/ledger/domain';
import { operatorId, peekPrincipal } from '../principal/principal.js';
import { revocationEvents, type Revocable, type RevocationEvent } from './revocation.events.js';

/** Of one subject: an agent, a person, a run, a token or a tenant. There is no way back. */
export type Revocation = { status: 'none' } | { status: 'revoked'; epoch: number; time: string };
export type RevocationCommand = { type: 'revoke'; reason: string };

/** What an id that can be revoked stands for, by its prefix; a run may have any other. */
export function revocableKind(subject: string): Revocable | undefined {
  return kinds.get(subject.slice(0, Math.max(0, subject.indexOf('_')))) ?? (isRunId(subject) ? 'run' : undefined);
}

const kinds = new Map<string, Revocable>([
  ['agt', 'agent'],
  ['psn', 'person'],
  ['tok', 'token'],
  ['tnt', 'tenant'],
]);

export const revocation: Aggregate<Revocation, RevocationCommand, RevocationEvent> = {
  name: 'revocation',
  initial: { status: 'none' },
  events: Object.keys(revocationEvents) as RevocationEvent['type'][],

  decide(command, state, { subject, tenant, peek }) {
    if (state.status === 'revoked') return [];
    const kind = revocableKind(subject);
    if (kind === undefined) {
      const hint =
        subject === operatorId
          ? 'change WRIT_OPERATOR_JWK to replace the operator'
          : 'an agent, a person, a run, a token or a tenant is';
      throw refuse('identity.not_revocable', `${subject} cannot be revoked; ${hint}`);
    }
    const unknown =
      ((kind === 'agent' || kind === 'person') && !peekPrincipal(peek, subject)) ||
      (kind === 'tenant' && tenant !== subject);
    if (unknown) throw refuse('identity.subject_not_found', `there is no ${kind} ${subject} in this tenant`);
    // Runs and tokens need not be known: a run that asks for its grant later, or a token that leaked, is refused all the same.
    return [{ type: 'revocation.issued.v1', data: { subject, kind, reason: command.reason, epoch: 0 } }];
  },

  evolve: (_state, event) => ({ status: 'revoked', epoch: event.data.epoch, time: event.time }),
};

/** The first of these ids whose authority was taken away, or nothing. */
export function firstRevoked(peek: Peek, ids: readonly string[]): string | undefined {
  return ids.find((id) => peek<Revocation>('revocation', id)?.status === 'revoked');
}

/** Throws `identity.revoked` if any of these lost its authority. */
export function notRevoked(peek: Peek, ids: readonly string[]): void {
  const lost = firstRevoked(peek, ids);
  if (lost !== undefined) throw refuse('identity.revoked', `${lost} was revoked`, { subject: lost });
}
