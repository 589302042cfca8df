import type { Host } from '@writ/ledger';
import { refuse, type DomainError } from '@writ/ledger/domain';
import { viewReaches } from '@writ/platform';
import { runViewName } from './run-view.js';

/** How long whoever reads waits for the view. */
export const viewWaitMs = 5_000;

/**
 * Waits until the view of runs has a position, and with it the tables that are kept beside that of runs; a position of another service is
 * not waited for.
 * @throws DomainError `ledger.unavailable`
 */
export async function reach(host: Host, position: string): Promise<void> {
  if (!position.startsWith('scheduler/')) return;
  if (!(await viewReaches(host, runViewName, position, viewWaitMs))) throw late(position);
}

export function late(position: string): DomainError {
  return refuse('ledger.unavailable', `the view of runs has not reached ${position} yet`);
}
