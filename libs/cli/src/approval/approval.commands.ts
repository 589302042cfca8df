import { choice, flag, number, one, text, verb, type Noun } from '../command/command.js';

const actions = () => import('./approval.actions.js');
const id = one('id of the approval');

/** `writ approval …` */
export const approval: Noun = {
  name: 'approval',
  about: 'what people are asked: actions that policy lets pass only with a yes, and questions of runs',
  verbs: [
    verb({
      name: 'list',
      about: 'list what waits for an answer',
      options: {
        state: choice(['requested', 'approved', 'denied', 'expired', 'consumed'], 'in this state; default requested'),
        mine: flag('only what you may decide: your inbox'),
        approver: text('<id>', 'only what names this person (psn_…) or group (group:…)'),
        run: text('<id>', 'only of this run'),
        agent: text('<id>', 'only what this agent asks'),
        kind: choice(['action', 'question'], 'only of this kind'),
        wait: flag('where nothing is there, until something is'),
        limit: number('<n>', 'at most this many; default 50'),
        pageToken: text('<token>', 'go on after an earlier page'),
      },
      examples: ['approval list --mine', 'approval list --mine --wait -o name', 'approval list --state denied --json'],
      act: async (call, _given, options) => (await actions()).listApprovals(call, options),
    }),
    verb({
      name: 'get',
      about: 'show what exactly is asked',
      arguments: { id },
      options: { wait: flag('until it is decided or expired; exit 8 unless it was approved') },
      examples: ['approval get apr_…', 'approval get apr_… --wait'],
      act: async (call, given, { wait }) => (await actions()).showApproval(call, given.id, wait),
    }),
    verb({
      name: 'approve',
      about: 'say yes, once, to exactly what is shown',
      more: 'The digest of the arguments that you saw goes along; if they have changed since, it is refused.',
      arguments: { id },
      options: {
        reason: text('<text>', 'why; it is in the record'),
        value: text('<json>', 'the answer to a question: JSON, @file, or - for stdin'),
        digest: text('<digest>', 'of the arguments that were looked at; default: those of now'),
      },
      examples: ['approval approve apr_…', "approval approve apr_… --reason 'checked the amount' --yes"],
      act: async (call, given, options) => (await actions()).decide(call, given.id, 'approve', options),
    }),
    verb({
      name: 'delegate',
      about: 'hand it to another person',
      more: 'Where you are named they take your place; where a group is, they come beside it. They may decide only if they hold the right to.',
      arguments: { id, person: one('id of the person, psn_…') },
      options: { reason: text('<text>', 'why; it is in the record') },
      examples: ["approval delegate apr_… psn_… --reason 'your budget'"],
      act: async (call, given, options) => (await actions()).delegate(call, given.id, given.person, options),
    }),
    verb({
      name: 'deny',
      about: 'say no, once',
      arguments: { id },
      options: { reason: text('<text>', 'why; the agent is told') },
      examples: ["approval deny apr_… --reason 'not on a Friday'"],
      act: async (call, given, options) => (await actions()).decide(call, given.id, 'deny', options),
    }),
  ],
};
