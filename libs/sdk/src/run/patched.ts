import { assertNotInStep } from './inside.js';
import type { RunScope } from './scope.js';

/**
 * `ctx.patched`. What was recorded first counts: a run that comes here for the first time beyond its record takes the new way, and that is recorded; one
 * that comes here within a record without the mark was begun by other code, and stays on the old way as long as it lives.
 */
export function patched({ executor, patches }: RunScope, id: string): boolean {
  assertNotInStep(`ctx.patched('${id}')`);
  const known = patches.get(id);
  if (known !== undefined) return known;
  const name = `patch ${id}`;
  const recorded = executor.activation.journal.some((entry) => entry.kind === 'patch' && entry.name === name);
  const isNew = recorded || !executor.silent;
  patches.set(id, isNew);
  if (isNew && !recorded) executor.issue({ kind: 'patch', name, wish: { type: 'patch' } });
  return isNew;
}
