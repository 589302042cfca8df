import { invalid } from '@writ/api';
import type { Host } from '@writ/ledger';
import { parsePosition, type Position } from '@writ/ledger/domain';

/**
 * Lets a reader see what they wrote: waits until a view has the position that came as field `after`; empty does not wait.
 *
 * @param view name of the projection
 * @returns false when the view was not there in time, which a service refuses with a code of its own
 * @throws DomainError `request.invalid` where it is no position of this service
 */
export async function viewReaches(
  host: Pick<Host, 'service' | 'partitions' | 'waitFor'>,
  view: string,
  after: string,
  waitMs: number,
): Promise<boolean> {
  if (after === '') return true;
  const position = positionOf(after);
  if (position?.service === host.service && position.partition < host.partitions)
    return host.waitFor(view, after, waitMs);
  const detail = `'${after.slice(0, 80)}' is not a position that ${host.service} has answered with`;
  throw invalid([{ field: 'after', detail }]);
}

function positionOf(text: string): Position | undefined {
  try {
    return parsePosition(text);
  } catch {
    return undefined;
  }
}
