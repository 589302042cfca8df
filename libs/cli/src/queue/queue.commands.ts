import { flag, list, number, one, text, verb, type Noun } from '../command/command.js';

const actions = () => import('./queue.actions.js');
const name = one('name of the queue');

/** `writ queue …` */
export const queue: Noun = {
  name: 'queue',
  about: 'limits of queues: how many at once, and how fast',
  verbs: [
    verb({
      name: 'set',
      about: 'put these limits in the place of those that were there',
      more:
        'The same again changes nothing. A run that only waits does not count for --concurrency, but keeps its key until it ends. Between keys slots are ' +
        'given in turn. Runs that were started while the queue had no limits are not held to any.',
      arguments: { name },
      options: {
        concurrency: number('<n>', 'runs that go on at once'),
        keyConcurrency: number('<n>', 'runs of one key, from their first worker to their end'),
        key: text('<path>', 'where in the input the key is, when a start names none: customer.id'),
        rate: text('<n/time>', 'runs that begin: 100/1m'),
        keyRate: text('<n/time>', 'runs of one key that begin: 5/1s'),
        cost: text(
          '<path>',
          'where in the input it stands how much a run takes of the rates and of its turn; default 1',
        ),
        share: list('<key=n>', 'a key that gets n times as much as others when both wait; repeatable'),
        lift: flag('no limits any more'),
      },
      examples: [
        'queue set reviews --concurrency 20 --key customer.id --share big-customer=3',
        'queue set deploys --key service --key-concurrency 1',
        'queue set crawl --rate 600/1m --key host --key-rate 1/1s',
        'queue set crawl --lift',
      ],
      act: async (call, given, options) => (await actions()).set(call, given.name, options),
    }),
    verb({
      name: 'get',
      about: 'show one queue, and how many of its runs go on and wait',
      arguments: { name },
      examples: ['queue get reviews'],
      act: async (call, given) => (await actions()).get(call, given.name),
    }),
    verb({
      name: 'list',
      about: 'list the queues that have limits',
      options: {
        limit: number('<n>', 'at most this many; default 50'),
        pageToken: text('<token>', 'go on after an earlier page'),
      },
      examples: ['queue list'],
      act: async (call, _given, options) => (await actions()).list(call, options),
    }),
  ],
};
