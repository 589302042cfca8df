import type { ErrorCatalogue } from '@writ/ledger/domain';

/** What an approval refuses; the same codes in the policy service and at the point that uses the approval. */
export const approvalErrors = {
  'approval.not_found': { status: 404, title: 'There is no such approval' },
  'approval.undecided': { status: 409, title: 'Nobody has decided yet' },
  'approval.denied': { status: 403, title: 'A person denied this action' },
  'approval.expired': {
    status: 403,
    title: 'Nobody decided in time',
    hint: 'a timeout is not a denial: ask again under a new effect id',
  },
  'approval.withdrawn': {
    status: 409,
    title: 'Nobody waits for the answer any more',
    hint: 'the run that asked has ended, or has given the question up',
  },
  'approval.already_consumed': { status: 409, title: 'The approval was used already; it is good for one action' },
  'approval.already_decided': { status: 409, title: 'It was decided already' },
  'approval.arguments_changed': { status: 403, title: 'The approval was given for another action or other arguments' },
  'approval.policy_changed': {
    status: 403,
    title: 'The policy changed after the approval was asked for',
    hint: 'repeat the action without it: it asks anew',
  },
  'approval.not_yours': { status: 403, title: 'The approval was given to another agent' },
  'approval.not_entitled': { status: 403, title: 'You are not among those who may decide this' },
  'approval.bad_answer': { status: 400, title: 'The answer does not have the form that was asked for' },
  'approval.bad_delegate': { status: 400, title: 'It cannot be handed to them' },
  'approval.agent_cannot_decide': { status: 403, title: 'An agent cannot approve' },
} as const satisfies ErrorCatalogue;
