import { choice, flag, rest, text, verb, type Noun } from '../command/command.js';

const actions = () => import('./policy.actions.js');

/** `writ policy …` */
export const policy: Noun = {
  name: 'policy',
  about: 'Cedar policies: what agents may do with which arguments',
  verbs: [
    verb({
      name: 'check',
      about: 'validate policies against the schema of the project, and ask what they would decide',
      more: [
        'Without files the active set is asked. Nothing is changed or recorded.',
        'Exit 10 if a file has an error, or if the decision is not allow.',
      ].join('\n'),
      arguments: { files: rest('*.cedar files, or folders of them') },
      options: {
        principal: text('<id>', 'ask for this agent or person'),
        action: text('<action>', 'such as tool.call or memory.write'),
        resource: text('<Type:id>', 'such as Tool:files/write_file'),
        arguments: text('<json>', 'arguments of the action: JSON, @file, or - for stdin'),
      },
      examples: [
        'policy check policies/',
        'policy check --principal agt_… --action tool.call --resource Tool:files/write_file --arguments \'{"path":"/etc/passwd"}\'',
      ],
      act: async (call, { files }, options) => (await actions()).check(call, files, options),
    }),
    verb({
      name: 'push',
      about: 'make policies the active set of the project',
      arguments: { files: rest('*.cedar files, or folders of them') },
      options: {
        mode: choice(
          ['enforce', 'log-only'],
          'log-only records what would be denied and lets it pass; default enforce',
        ),
        expect: text('<version>', 'refuse if another version is active (exit 6)'),
        dryRun: flag('validate only'),
      },
      examples: ['policy push policies/ --dry-run', 'policy push policies/ --expect sha256:… --yes'],
      act: async (call, { files }, options) => (await actions()).push(call, files, options),
    }),
  ],
};
