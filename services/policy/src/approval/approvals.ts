import type { ApprovalQueries } from './approval.view.js';
import type { ApprovalEnds } from './approval.waiting.js';

/** What the approval API reads: the view, and who ends when. */
export class Approvals {
  constructor(
    readonly queries: ApprovalQueries,
    readonly ends: ApprovalEnds,
  ) {}
}
