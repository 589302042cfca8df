import { verb } from '../command/command.js';

/** `writ status` */
export const status = verb({
  name: 'status',
  about: 'what runs: services, durability, age of the revocations, size of the record, who you are',
  more: 'Exit 10 if a service is not ready.',
  examples: ['status', 'status --json | jq ".services[] | select(.ready | not)"'],
  act: async (call) => (await import('./status.actions.js')).showStatus(call),
});
