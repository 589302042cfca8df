import type { ServerProcess } from './server-process.js';

/** How a server is handled that may run several times: by whoever started it. */
export interface ServerHandle extends AsyncDisposable {
  readonly pid: number;
  readonly running: boolean;
  stop(): Promise<void>;
  kill(): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  restart(): Promise<void>;
}

/**
 * @param launch begins the next run
 * @param forget takes away what the server has left, once it was stopped for good
 */
export function handleOf(
  first: ServerProcess,
  launch: () => Promise<ServerProcess>,
  forget: () => Promise<void>,
): ServerHandle {
  let server = first;
  const stop = async (): Promise<void> => {
    await server.stop();
    await forget();
  };
  return {
    get pid() {
      return server.pid;
    },
    get running() {
      return server.running;
    },
    stop,
    kill: () => server.kill(),
    pause: () => server.pause(),
    resume: async () => server.send('SIGCONT'),
    async restart() {
      await server.stop();
      server = await launch();
    },
    [Symbol.asyncDispose]: stop,
  };
}
