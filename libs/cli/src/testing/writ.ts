import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { projectRoot } from '@writ/testkit';

/** How one command line ended. */
export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface WritOptions {
  env?: Record<string, string>;
  cwd: string;
  input?: string;
}

const loader = pathToFileURL(path.join(projectRoot, 'infra/source.mjs')).href;

/** Starts the real program from its source, with nothing of this machine's configuration. What it starts is what was built. */
export function startWrit(args: readonly string[], { env = {}, cwd }: WritOptions) {
  const clean = Object.entries(process.env).filter(([name]) => !/^(WRIT_|XDG_|NO_COLOR|FORCE_COLOR|CI$)/.test(name));
  const program = path.join(projectRoot, 'libs/cli/src/main.ts');
  const child = spawn(process.execPath, ['--import', loader, program, ...args], {
    cwd,
    env: { ...Object.fromEntries(clean), HOME: cwd, ...env },
    stdio: 'pipe',
  });
  child.stdin.on('error', () => {}); // it may end without reading
  const ended = Promise.all([
    new Promise<number | null>((resolve) => child.once('close', resolve)),
    text(child.stdout),
    text(child.stderr),
  ]).then(([code, out, err]): Ran => ({ code, out, err }));
  return { child, ended };
}

/** Runs one command line to its end. */
export async function writ(args: readonly string[], options: WritOptions): Promise<Ran> {
  const { child, ended } = startWrit(args, options);
  child.stdin.end(options.input ?? '');
  return ended;
}

/** A folder of one test, where no configuration is found. */
export async function emptyFolder(): Promise<{ folder: string } & AsyncDisposable> {
  const folder = await mkdtemp(path.join(tmpdir(), 'writ-cli-'));
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true, maxRetries: 5 }) };
}
