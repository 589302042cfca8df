/** The stack that the demo runs on: the one that WRIT_URL names, or an embedded one that ends with the demo. */
import { spawn } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Key } from './rest.js';

export const root = path.resolve(import.meta.dirname, '../..');

export interface DemoStack {
  readonly url: string;
  readonly operator: Key;
  readonly durability: string;
  readonly natsServer: string;
  readonly bootMs: number;
  /** Where the stack keeps its data, if it is on this machine. */
  readonly dataDir: string | undefined;
  stop(): Promise<void>;
}

/** @param say gets a line whenever the stack says how far it is. */
export async function demoStack(dataDir: string, say: (line: string) => void): Promise<DemoStack> {
  const url = process.env['WRIT_URL'];
  if (url === undefined)
    return startStack(dataDir, {
      say,
      // The file server of step 5 comes from this checkout; it is the one folder of the host that sandboxes may see.
      env: { WRIT_SANDBOX_MOUNTS: path.join(root, 'node_modules'), WRIT_ARTIFACT_SOURCES: '/' },
    });
  const keyFile = process.env['WRIT_KEY_FILE'];
  if (keyFile === undefined)
    throw new Error(
      `WRIT_URL is ${url}, so WRIT_KEY_FILE must name the operator's key (operator.key.json in the data folder of that stack)`,
    );
  const operator = JSON.parse(await readFile(keyFile, 'utf8')) as Key;
  const health = (await (await fetch(`${url}/health/ready`)).json()) as { durability?: string; natsServer?: string };
  return {
    url,
    operator,
    durability: health.durability ?? 'unknown',
    natsServer: health.natsServer ?? 'unknown',
    bootMs: 0,
    dataDir: undefined,
    stop: async () => {},
  };
}

/** A stack that was started here. */
export interface OwnStack extends DemoStack {
  readonly dataDir: string;
  /** `host:port` of the door for gRPC. */
  readonly grpc: string;
  /** Of the process whose children the servers are, and the services with `--processes`. */
  readonly pid: number;
}

export interface StackOptions {
  /** Gets a line whenever the stack says something. */
  readonly say?: (line: string) => void;
  /** Of `npm start`, beside the folder. */
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Lines of a stack that did not start. */
const lastWords = 20;

/** The stack as `npm start` starts it. */
export async function startStack(
  dataDir: string,
  { say = () => {}, flags = [], env = {} }: StackOptions = {},
): Promise<OwnStack> {
  await mkdir(dataDir, { recursive: true });
  const child = spawn(
    process.execPath,
    [path.join(root, 'services/standalone/dist/main.js'), '--data', dataDir, '--json', ...flags],
    { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } },
  );
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const words: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (words.push(line) > lastWords) words.shift();
    say(line);
  });
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
  };
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.startsWith('{')) continue;
    const { ready } = JSON.parse(line) as {
      ready: Omit<OwnStack, 'operator' | 'dataDir' | 'stop'> & { operatorKeyFile: string };
    };
    const operator = JSON.parse(await readFile(ready.operatorKeyFile, 'utf8')) as Key;
    return { ...ready, operator, dataDir, stop };
  }
  throw new Error(`the stack ended (${await ended}) before it was ready; its last words:\n${words.join('\n')}`);
}
