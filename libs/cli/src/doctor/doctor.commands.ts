import { text, verb } from '../command/command.js';

/** `writ doctor` */
export const doctor = verb({
  name: 'doctor',
  about: 'look for what is missing or wrong, and say how to repair it',
  more: [
    'This machine (with a trial sandbox), the data folder, and the Writ that the settings name: its services, the record, keys,',
    'and what waits for a person. Every problem comes with the command that mends it. It changes nothing. Exit 10 if there is one.',
  ].join('\n'),
  options: { data: text('<folder>', 'data folder; default: the one of the stack that runs here, else .writ') },
  examples: ['doctor', 'doctor --json | jq ".checks[] | select(.state == \\"problem\\")"'],
  act: async (call, _given, options) => (await import('./doctor.actions.js')).runDoctor(call, options),
});
