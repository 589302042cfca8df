import { number, one, text, verb, type Noun } from '../command/command.js';

const actions = () => import('./ramp.actions.js');
const workflow = one('name of the workflow');

/** `writ ramp …` */
export const ramp: Noun = {
  name: 'ramp',
  about: 'which version of a workflow its new runs go to',
  verbs: [
    verb({
      name: 'set',
      about: 'give a share of the new runs to a version, and the others to another one',
      more:
        'They are pinned to it and wait where no worker announces it (`writ run why`). A start that is repeated lands alike, and whoever is in a share is in ' +
        'every larger one. Runs that were started before stay where they are, and so do those that who starts them pins, and forks. A run is moved by ' +
        '`writ run pin`.',
      arguments: { workflow },
      options: {
        to: text('<version>', 'the version that the share goes to'),
        percent: number('<0-100>', 'of the starts; default 100'),
        from: text('<version>', 'the version that the others go to; needed below 100'),
      },
      examples: ['ramp set review --from 4 --to 5 --percent 10', 'ramp set review --to 5'],
      act: async (call, given, options) => (await actions()).set(call, given.workflow, options),
    }),
    verb({
      name: 'get',
      about: 'show the ramp of one workflow',
      arguments: { workflow },
      examples: ['ramp get review'],
      act: async (call, given) => (await actions()).get(call, given.workflow),
    }),
    verb({
      name: 'list',
      about: 'list the workflows that have a ramp',
      options: {
        limit: number('<n>', 'at most this many; default 50'),
        pageToken: text('<token>', 'go on after an earlier page'),
      },
      examples: ['ramp list'],
      act: async (call, _given, options) => (await actions()).list(call, options),
    }),
    verb({
      name: 'end',
      about: 'pin new runs no more; those that were pinned stay so',
      arguments: { workflow },
      examples: ['ramp end review'],
      act: async (call, given) => (await actions()).end(call, given.workflow),
    }),
  ],
};
