import { runService } from './run-service.js';

/** A service that does nothing; started by the test of `runService`. */
await runService(async (env) => {
  if (env['FAIL'] !== undefined) throw new Error('the environment is not complete');
  const alive = setInterval(() => undefined, 1000);
  if (env['WAIT'] !== undefined) await new Promise(() => process.stdout.write('starting\n'));
  return {
    name: 'memory',
    replica: 'one',
    httpUrl: 'http://127.0.0.1:1',
    grpcUrl: 'http://127.0.0.1:2',
    stop: async () => {
      clearInterval(alive);
      process.stderr.write('stopped\n');
    },
  };
});
