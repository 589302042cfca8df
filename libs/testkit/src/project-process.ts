import { spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { guard } from '@writ/servers';
import { eventually } from './eventually.js';

export const projectRoot = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');

export interface ProjectProcessOptions {
  args?: readonly string[];
  /** Added to this process's environment; undefined takes a variable away. */
  env?: Record<string, string | undefined>;
  cwd?: string;
}

/** A program of the project in a process of its own, started from its TypeScript source; it dies with the test. */
export interface ProjectProcess extends AsyncDisposable {
  readonly pid: number;
  /** What it has written so far, both streams, line by line. */
  readonly lines: readonly string[];
  readonly running: boolean;
  /** Resolves with the exit code; null where a signal ended it. */
  readonly exited: Promise<number | null>;
  /** The first line, already written or still to come, that matches. @throws Error with all lines, on time-out or exit */
  line(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
  send(signal: NodeJS.Signals): void;
  write(text: string): void;
  /** SIGTERM, and SIGKILL after 10 s. */
  stop(): Promise<void>;
  kill(): Promise<void>;
}

/** @param entry path of a `.ts` or `.mjs` file from the root of the repository, or absolute */
export function startProcess(entry: string, options: ProjectProcessOptions = {}): ProjectProcess {
  const loader = pathToFileURL(path.join(projectRoot, 'infra/source.mjs')).href;
  const child = spawn(
    process.execPath,
    ['--import', loader, path.resolve(projectRoot, entry), ...(options.args ?? [])],
    {
      cwd: options.cwd ?? projectRoot,
      env: { ...process.env, ...options.env },
      stdio: 'pipe',
    },
  );
  const { pid } = child;
  if (pid === undefined) throw new Error(`${process.execPath} could not be started`);
  const release = guard(pid, 'TERM');
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) createInterface(stream).on('line', (text) => lines.push(text));
  child.stdin.on('error', () => {}); // it may exit without reading what it was told
  const exited = new Promise<number | null>((resolve) => {
    child.once('close', (code) => {
      release();
      resolve(code);
    });
  });
  const running = (): boolean => child.exitCode === null && child.signalCode === null;
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (running()) {
      child.kill(signal);
      child.kill('SIGCONT');
    }
    const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await exited;
    clearTimeout(timer);
  };
  return {
    pid,
    lines,
    exited,
    get running() {
      return running();
    },
    line: (pattern, timeoutMs = 20_000) => waitForLine({ lines, running }, pattern, timeoutMs),
    send: (signal) => void child.kill(signal),
    write: (text) => void child.stdin.write(text),
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    [Symbol.asyncDispose]: () => end('SIGTERM'),
  };
}

async function waitForLine(
  { lines, running }: { lines: string[]; running: () => boolean },
  pattern: RegExp,
  timeoutMs: number,
): Promise<RegExpExecArray> {
  const find = (): RegExpExecArray | undefined => {
    for (const line of lines) {
      const match = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, '')).exec(line);
      if (match) return match;
    }
    return undefined;
  };
  await eventually(() => find() ?? !running(), { timeoutMs, what: `a line like ${pattern}` }).catch(() => {});
  // One more look after an exit: its last lines may arrive after the code.
  const found = find() ?? (await eventually(find, { timeoutMs: running() ? 0 : 200 }).catch(() => undefined));
  if (found) return found;
  const state = running() ? `within ${timeoutMs} ms` : 'before it ended';
  throw new Error(`no line like ${pattern} ${state}; it wrote:\n${lines.join('\n')}`);
}
