/** A program of the bench in a process of its own, which does what it is told in lines of JSON: `{"do": "mark"}` is answered by `{"done": …}`. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { guard } from '@writ/servers';
import { projectRoot } from '@writ/testkit';

export interface Program extends AsyncDisposable {
  readonly pid: number;
  /** One at a time. @throws Error with what the program said, when it failed or ended */
  ask<T = void>(task: string, details?: object): Promise<T>;
}

export type Tasks = Readonly<Record<string, (details: never) => unknown>>;

/** Starts a file of this folder, with the packages as they were built. Resolves when it has called `obey`. */
export async function startProgram(
  file: string,
  env: Readonly<Record<string, string>>,
  flags: readonly string[] = [],
): Promise<Program> {
  const loader = path.join(projectRoot, 'infra/typescript.mjs');
  const child = spawn(process.execPath, [...flags, '--import', loader, path.join(import.meta.dirname, file)], {
    env: { ...process.env, ...env },
    stdio: 'pipe',
  });
  const release = guard(child.pid as number, 'TERM');
  const said: string[] = [];
  let answered: ((line: string) => void) | undefined;
  createInterface(child.stderr).on('line', (line) => said.push(line) > 50 && said.shift());
  createInterface(child.stdout).on('line', (line) => (line.startsWith('{"done"') ? answered?.(line) : said.push(line)));
  child.stdin.on('error', () => {}); // it has ended: `exited` tells
  const exited = new Promise<void>((resolve) => child.once('close', () => (release(), resolve())));
  const early = exited.then(() => Promise.reject(new Error(`${file} ended:\n${said.join('\n')}`)));
  early.catch(() => {});
  const answer = async <T>(): Promise<T> => {
    const line = new Promise<string>((resolve) => (answered = resolve));
    return (JSON.parse(await Promise.race([line, early])) as { done: T }).done;
  };
  await answer();
  return {
    pid: child.pid as number,
    ask(task, details = {}) {
      const done = answer<never>();
      child.stdin.write(`${JSON.stringify({ do: task, ...details })}\n`);
      return done;
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
      await exited;
      clearTimeout(timer);
    },
  };
}

/** The other side: does what it is told until its input ends. A task that fails ends the program. */
export function obey(tasks: Tasks): void {
  const say = (done: unknown) => process.stdout.write(`${JSON.stringify({ done: done ?? null })}\n`);
  createInterface(process.stdin).on('line', (line) => {
    const { do: task, ...details } = JSON.parse(line) as { do: string };
    void Promise.resolve(tasks[task]?.(details as never)).then(say);
  });
  say('ready');
}
