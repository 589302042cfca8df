import { endedBudget } from './budget.js';
import type { EndedBudget } from './budget.events.js';
import { commitsOf } from './loops.js';
import type { Outcome, Receipt } from './run.commands.js';
import type { RunEvent } from './run.events.js';
import { openChildren, type RunRecord } from './run-record.js';

/** An event has to fit into a commit. */
const mostCommits = 20_000;
/** In a list of a receipt; a tree of runs may be large. */
const mostListed = 2_000;

interface Ending {
  journal: number[];
  span?: boolean;
  notify?: string[];
  cancelChildren?: string[];
  ungranted?: boolean;
  approvals?: string[];
  budget?: EndedBudget;
}

/** What every event that ends a run says besides how. */
export function ending(run: RunRecord): Ending {
  const cancelChildren = run.children
    .filter((child) => child.cancelWithParent && child.outcome === undefined)
    .map(({ id }) => id);
  const commits = commitsOf(run);
  const journal =
    commits.length > mostCommits
      ? { journal: [commits[0] as number, commits[commits.length - 1] as number], span: true }
      : { journal: commits };
  return {
    ...journal,
    ...(run.notify.length > 0 && { notify: [...run.notify] }),
    ...(cancelChildren.length > 0 && { cancelChildren }),
    ...(!run.granted && { ungranted: true }),
    ...openApprovals(run, run.budget?.own?.asked?.approval),
    ...(run.budget && endedBudget(run.budget)),
  };
}

/** What people are asked, and nobody waits for any more. */
function openApprovals({ opens }: RunRecord, budget?: string): { approvals?: string[] } {
  const approvals = opens.flatMap(({ kind, on }) => (kind === 'approval' && on !== undefined ? [on] : []));
  if (budget !== undefined) approvals.push(budget);
  return approvals.length > 0 ? { approvals } : {};
}

/**
 * A cancel is over. The receipt names the children that ended by it among what was stopped.
 * @param returned the function has come to its end; else it is ended over its head
 */
export function cancelled(
  run: RunRecord,
  reason: string,
  { stopped, outcomeUnknown, undone = [] }: Receipt,
  returned = run.cancel?.stopped !== undefined,
): RunEvent {
  const children = run.children.flatMap(({ outcome }) => (outcome ? stoppedOf(outcome) : []));
  return {
    type: 'run.cancelled.v1',
    subject: run.id,
    data: {
      reason,
      stopped: listed([...stopped, ...children]),
      outcomeUnknown: listed(outcomeUnknown),
      ...(undone.length > 0 && { undone }),
      ...(returned && { returned }),
      ...ending(run),
    },
  };
}

/** A child that was cancelled, and what of it and below it was stopped, as its parent says it. */
export function stoppedOf({ child, state, stopped = [] }: Outcome): string[] {
  if (state !== 'cancelled') return [];
  return [child, ...stopped.map((what) => (what.includes(' ') && !what.includes(': ') ? `${child}: ${what}` : what))];
}

/** Each once, and no more of them than an event can hold. */
function listed(items: readonly string[]): string[] {
  const each = [...new Set(items)];
  return each.length <= mostListed ? each : [...each.slice(0, mostListed), `and ${each.length - mostListed} more`];
}

/** The function has ended after a cancel: the run ends now, or when the last child has. */
export function stopped(run: RunRecord, receipt: Receipt): RunEvent {
  const { stopped: what, outcomeUnknown, undone = [] } = receipt;
  if (openChildren(run).length > 0)
    return {
      type: 'run.stopped.v1',
      subject: run.id,
      data: { stopped: what, outcomeUnknown, ...(undone.length > 0 && { undone }), ...openApprovals(run) },
    };
  const { reason = '', outcomeUnknown: before = [], undone: undoneBefore = [] } = run.cancel ?? {};
  const all = {
    stopped: what,
    outcomeUnknown: [...before, ...outcomeUnknown],
    undone: [...undoneBefore, ...undone],
  };
  return cancelled(run, reason, all, true);
}
