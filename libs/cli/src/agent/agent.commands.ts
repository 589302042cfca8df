import { list, number, one, text, verb, type Noun } from '../command/command.js';

const actions = () => import('./agent.actions.js');

/** `writ agent …` */
export const agent: Noun = {
  name: 'agent',
  about: 'identities that programs act under',
  verbs: [
    verb({
      name: 'list',
      about: 'list agents, newest first',
      options: {
        limit: number('<n>', 'at most this many; default 50'),
        pageToken: text('<token>', 'go on after an earlier page'),
      },
      examples: ['agent list', 'agent list -o name'],
      act: async (call, _given, options) => (await actions()).listAgents(call, options),
    }),
    verb({
      name: 'get',
      about: 'show one agent: owner, state, keys, what it may do',
      arguments: { id: one('id of the agent') },
      examples: ['agent get agt_…', 'agent get agt_… --json'],
      act: async (call, { id }) => (await actions()).getAgent(call, id),
    }),
    verb({
      name: 'create',
      about: 'make a key pair, keep the private half in a file, register the public one',
      more: [
        'The private key never leaves this machine. The file (mode 0600) is what WRIT_KEY_FILE and the SDK take.',
        'What --can takes: actions, and after `=` the resources they are limited to: tool.call=files/*,notes/read',
      ].join('\n'),
      arguments: { name: one('name for people') },
      options: {
        can: list('<actions[=resources]>', 'what it may do; repeat it'),
        owner: text('<id>', 'person who answers for it; default: you, if you are a person'),
        id: text('<id>', 'chosen by you, agt_ and a UUID; default: made'),
        out: text('<file>', 'of the private key; default <name>.key.json; is never overwritten'),
      },
      examples: [
        "agent create reviewer --can run.start,worker.connect --can 'tool.call=files/*'",
        'agent create ci --can run.start --out /run/secrets/ci.key.json',
      ],
      act: async (call, { name }, options) => (await actions()).createAgent(call, name, options),
    }),
  ],
};
