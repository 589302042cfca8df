import { verb } from '../command/command.js';

/** `writ doctor` */
export const doctor = verb({
  name: 'doctor',
  about: 'look for what is missing or wrong, and say how to repair it',
  more: 'This machine (what `writ dev` needs) and the Writ that the settings name. Exit 10 if something is found.',
  examples: ['doctor', 'doctor --json | jq ".checks[] | select(.state == \\"problem\\")"'],
  act: async (call) => (await import('./doctor.actions.js')).runDoctor(call),
});
