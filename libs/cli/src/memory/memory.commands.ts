import { needed, number, one, verb, type Noun } from '../command/command.js';

/** `writ memory …` */
export const memory: Noun = {
  name: 'memory',
  about: 'what agents remember, with the source of every item',
  verbs: [
    verb({
      name: 'search',
      about: 'search a scope by full text and similar spelling, best first',
      arguments: { query: one('words to look for') },
      options: {
        scope: needed('<scope>', 'such as repository/abc; policy decides who may read it'),
        limit: number('<n>', 'at most this many; default 20'),
      },
      examples: [
        "memory search 'flaky test' --scope repository/abc",
        'memory search secrets --scope repository/abc --json',
      ],
      act: async (call, { query }, options) => (await import('./memory.actions.js')).search(call, query, options),
    }),
  ],
};
