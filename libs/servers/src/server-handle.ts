import type { ServerProcess } from './server-process.js';

/** A server that whoever started it may kill, pause and start again. */
export interface ServerHandle extends AsyncDisposable {
  readonly url: string;
  readonly version: string;
  /** `fsync`: acknowledged means on the disk. `flush`: acknowledged means handed to the operating system. */
  readonly durability: 'fsync' | 'flush';
  readonly pid: number;
  readonly running: boolean;
  /** Ends it politely, and takes away what it has left. */
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** SIGSTOP: it keeps its connections and answers nothing. Of PostgreSQL the postmaster: open connections go on. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** The same data on the same port, whether it runs or was killed. */
  restart(): Promise<void>;
}

/** What stays the same over all runs of a server. */
export type ServerFacts = Pick<ServerHandle, 'url' | 'version' | 'durability'>;

/**
 * @param launch begins the next run
 * @param forget takes away what the server has left, once it was stopped for good
 */
export function handleOf(
  facts: ServerFacts,
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
    ...facts,
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
