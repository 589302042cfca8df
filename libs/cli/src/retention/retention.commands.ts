import { one, verb, type Noun } from '../command/command.js';

const actions = () => import('./retention.actions.js');

/** `writ retention …` */
export const retention: Noun = {
  name: 'retention',
  about: 'how long runs that have ended are kept',
  verbs: [
    verb({
      name: 'get',
      about: 'show the rules',
      examples: ['retention get'],
      act: async (call) => (await actions()).get(call),
    }),
    verb({
      name: 'set',
      about: 'put rules in the place of those that are there',
      more:
        'A rule about one workflow goes before one about all; without states it is about all that have ended. From time to time a batch deletes what is ' +
        'older. [] keeps everything.',
      arguments: { rules: one('JSON, @file, or - for stdin') },
      examples: [
        'retention set \'[{"keep":"30d"},{"workflow":"review","states":["failed"],"keep":"365d"}]\'',
        "retention set '[]'",
      ],
      act: async (call, { rules }) => (await actions()).set(call, rules),
    }),
  ],
};
