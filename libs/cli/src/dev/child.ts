import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { guard, type Release } from '@writ/servers';

/** How long it may finish what is in flight. */
const graceMs = 20_000;

interface ChildOptions {
  /** Added to this process's environment; undefined takes a variable away. */
  readonly env?: Record<string, string | undefined>;
  readonly stdio: StdioOptions;
}

/**
 * A process of our own, in a process group of its own: a Ctrl-C of the terminal does not reach it, so that it is stopped in
 * order. It dies with this process, however that dies.
 */
export class Child {
  readonly process: ChildProcess;
  /** How it ended: `exit code 1`, `SIGKILL`. */
  readonly ended: Promise<string>;
  readonly #release: Release;

  constructor(program: string, args: readonly string[], { env = {}, stdio }: ChildOptions) {
    const child = spawn(program, args, { detached: true, stdio, env: { ...process.env, ...env } });
    if (child.pid === undefined) throw new Error(`${program} cannot be started`);
    this.process = child;
    this.#release = guard(child.pid, 'TERM');
    this.ended = new Promise((resolve) =>
      child.once('exit', (code, signal) => {
        this.#release();
        resolve(signal ?? `exit code ${code}`);
      }),
    );
  }

  /** SIGTERM, and SIGKILL for what does not listen. */
  async stop(): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) this.process.kill('SIGTERM');
    const timer = setTimeout(() => this.process.kill('SIGKILL'), graceMs);
    await this.ended;
    clearTimeout(timer);
  }
}
