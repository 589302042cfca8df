import { refuse } from '@writ/ledger/domain';
import type { ActionRequest } from './request.js';

const LONGEST = 300;

/** @throws DomainError `request.invalid` */
export function mustBeEffectId(effectId: string): void {
  if (effectId === '' || effectId.length > LONGEST)
    throw refuse('request.invalid', `an effect id has 1 to ${LONGEST} characters, not ${effectId.length}`);
}

/**
 * Effect ids are known beforehand, and whoever takes one first has it. What stands before a slash names a run (no id of a run has one), and
 * only who acts in that run may take it: nobody else answers for a run's effect, or stops it by being there first.
 *
 * @throws DomainError `action.not_yours`
 */
export function mustBeOwn({ effectId, caller: { run } }: Pick<ActionRequest<never>, 'effectId' | 'caller'>): void {
  const slash = effectId.indexOf('/');
  if (slash < 0 || effectId.slice(0, slash) === run) return;
  throw refuse(
    'action.not_yours',
    `the effect id names the run ${effectId.slice(0, slash)}, and the token is of ${run ?? 'no run'}; use an id without a slash`,
  );
}
