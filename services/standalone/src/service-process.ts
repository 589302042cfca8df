import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Env, ServiceStarter, Started } from './services.js';
import { supervise } from './supervise.js';

/** One life of a service in a process of its own. */
interface ServiceProcess {
  readonly address: Omit<Started, 'stop'>;
  readonly ended: Promise<string>;
  end(): Promise<void>;
}

/** A service gets this long to finish what is in flight; then it is killed. */
const STOP_MS = 15_000;
/**
 * V8 keeps three times this for what is young, and what survives of it grows the heap by multiples: with its default of 16 a
 * service holds a third more memory after a burst, and is no faster. The images say the same.
 */
const YOUNG_MIB = 8;

/**
 * Every service in a process of its own, which dies with this one, says on stdout where it listens, and is started again
 * when it ends by itself.
 */
export const inProcesses: ServiceStarter = async (name, env) => {
  let current = await launch(name, env);
  const { address } = current;
  const again = { ...env, ...(name === 'gateway' && samePorts(address)) };
  const release = supervise(
    {
      name,
      ended: () => current.ended,
      again: async (signal) => (current = await launch(name, again, signal)),
    },
    (line) => process.stderr.write(`${line}\n`),
  );
  return {
    ...address,
    stop: async () => {
      await release();
      await current.end();
    },
  };
};

/** The door stays where clients have found it; everybody else announces where it is. */
function samePorts({ httpUrl, grpcUrl }: Omit<Started, 'stop'>): Env {
  return { WRIT_HTTP_PORT: new URL(httpUrl).port, WRIT_DOOR_GRPC_PORT: new URL(grpcUrl).port };
}

async function launch(name: string, env: Env, signal?: AbortSignal): Promise<ServiceProcess> {
  const main = path.join(path.dirname(fileURLToPath(import.meta.resolve(`@writ/service-${name}`))), 'main.js');
  const child = spawn(process.execPath, [`--max-semi-space-size=${YOUNG_MIB}`, main], {
    env: { ...process.env, ...(env as NodeJS.ProcessEnv) },
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true, // Ctrl-C reaches the parent alone, which then stops the services in order
  });
  child.stdin.on('error', () => {}); // it ends before we do: `ended` tells
  const ended = new Promise<string>((resolve) => {
    child.once('exit', (code, by) => resolve(by ?? `exit code ${code}`));
    child.once('error', (error) => resolve(error.message));
  });
  const end = async (): Promise<void> => {
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await ended;
    clearTimeout(late);
  };
  const lines = createInterface({ input: child.stdout });
  const silent = once(lines, 'close');
  let why: string | undefined;
  const listening = new Promise<Omit<Started, 'stop'>>((resolve) => {
    lines.on('line', (line) => {
      const said = saidIn(line);
      if (said.ready) resolve(said.ready);
      else if (said.failed !== undefined) why = said.failed;
      else process.stderr.write(`${line}\n`);
    });
  });
  const failed = async (): Promise<never> => {
    const how = await ended;
    await silent;
    throw new Error(why === undefined ? `${name} ended (${how}) before it was ready` : `${name}: ${why}`);
  };
  const givenUp = () => void end();
  signal?.addEventListener('abort', givenUp);
  try {
    const address = await Promise.race([listening, failed()]);
    return { address, ended, end };
  } finally {
    signal?.removeEventListener('abort', givenUp);
  }
}

/** What a service says of its start, as `runService` does. */
interface Said {
  readonly ready?: Omit<Started, 'stop'>;
  readonly failed?: string;
}

function saidIn(line: string): Said {
  try {
    return (JSON.parse(line) as Said | null) ?? {};
  } catch {
    return {}; // what somebody else has written there
  }
}
