import { flag, needed, one, verb } from '../command/command.js';

/** `writ revoke` */
export const revoke = verb({
  name: 'revoke',
  about: 'take authority away: from an agent, a person, a run with its subtree, one token, or a project',
  more: 'It cannot be taken back. Every enforcement point refuses from then on, within milliseconds, also tokens that are still valid.',
  arguments: { subject: one('agt_…, psn_…, run_…, tok_… or tnt_…') },
  options: {
    reason: needed('<text>', 'why; it is in the record'),
    dryRun: flag('say what it would stop, and change nothing'),
  },
  examples: [
    "revoke agt_… --reason 'key leaked'",
    "revoke run_… --reason 'runs in circles' --yes",
    'revoke agt_… --reason test --dry-run',
  ],
  act: async (call, { subject }, options) =>
    (await import('./revoke.actions.js')).revokeAuthority(call, subject, options),
});
