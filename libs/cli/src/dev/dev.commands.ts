import { number, optional, text, verb } from '../command/command.js';

/** `writ dev` */
export const dev = verb({
  name: 'dev',
  about: 'run the whole of Writ on this machine, and a worker that restarts when its files change',
  more: [
    'nats-server and PostgreSQL are child processes on loopback ports; Ctrl-C ends everything. State is kept in the data folder.',
    'It makes a project and an agent of its own, which every other command here then uses without being told.',
  ].join('\n'),
  arguments: { worker: optional('program that calls `serve`; JavaScript or TypeScript') },
  options: {
    data: text('<folder>', 'where state is kept; default .writ'),
    port: number('<number>', 'of the HTTP door; default: that of last time, else a free one'),
  },
  examples: ['dev', 'dev src/worker.ts', 'dev worker.ts --port 7070 --data /tmp/writ'],
  act: async (call, { worker }, options) => (await import('./dev.actions.js')).runDev(call, worker, options),
});
