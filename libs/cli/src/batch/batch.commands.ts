import { flag, number, one, text, verb, type Noun } from '../command/command.js';

const actions = () => import('./batch.actions.js');
const id = one('id of the batch');

/** `writ batch …` */
export const batch: Noun = {
  name: 'batch',
  about: 'what is being done to many runs',
  verbs: [
    verb({
      name: 'list',
      about: 'list batches, newest first',
      options: {
        limit: number('<n>', 'at most this many; default 50'),
        pageToken: text('<token>', 'go on after an earlier page'),
      },
      examples: ['batch list', 'batch list --json | jq ".batches[].state"'],
      act: async (call, _given, options) => (await actions()).list(call, options),
    }),
    verb({
      name: 'get',
      about: 'show how far a batch is, and why runs of it failed',
      more: 'With --wait until it has ended; exit 8 if runs failed, or it was stopped or could not go on.',
      arguments: { id },
      options: { wait: flag('wait for its end') },
      examples: ['batch get bat_…', 'batch get clean-up --wait --json'],
      act: async (call, given, { wait }) => (await actions()).get(call, given.id, wait),
    }),
    verb({
      name: 'stop',
      about: 'end a batch after the page that it is at; what is done stays done',
      arguments: { id },
      options: { reason: text('<text>', 'why; it is in the record') },
      examples: ["batch stop bat_… --reason 'the wrong filter'"],
      act: async (call, given, { reason }) => (await actions()).stop(call, given.id, reason ?? ''),
    }),
  ],
};
