/** Worker processes of the demo, and what they say: which steps began and ended in which of them. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import path from 'node:path';
import { root } from './stack.js';

/** A step of a run, as a worker told of it. */
export interface StepLine {
  readonly began?: string;
  readonly ended?: string;
  readonly run: string;
}

export class WorkerProcess {
  readonly steps: StepLine[] = [];
  readonly exited: Promise<void>;
  private readonly listeners = new Set<(line: StepLine) => void>();
  private readonly child: ChildProcess;

  private constructor(env: Record<string, string>) {
    const program = path.join(import.meta.dirname, 'worker.ts');
    const loader = path.join(root, 'infra/typescript.mjs');
    this.child = spawn(process.execPath, ['--import', loader, program], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.exited = new Promise((resolve) => this.child.once('exit', () => resolve()));
  }

  /** Starts one and waits until it serves. */
  static async start(env: Record<string, string>): Promise<WorkerProcess> {
    const worker = new WorkerProcess(env);
    const ready = new Promise<void>((resolve, reject) => {
      createInterface({ input: worker.child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
        const said = JSON.parse(line) as StepLine & { ready?: number };
        if (said.ready !== undefined) return resolve();
        worker.steps.push(said);
        for (const listener of worker.listeners) listener(said);
      });
      void worker.exited.then(() => reject(new Error('the worker ended before it served')));
    });
    await ready;
    return worker;
  }

  get pid(): number {
    return this.child.pid as number;
  }

  /** Resolves when the code of a step begins. */
  began(step: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.listeners.add((line) => line.began === step && resolve());
      void this.exited.then(() => reject(new Error(`the worker ended before '${step}' began`)));
    });
  }

  /** SIGKILL: no goodbye, no flush. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exited;
  }

  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    await this.exited;
  }
}

/** Steps whose code ran to its end in one worker and was begun again in a later one. */
export function reexecuted(workers: readonly WorkerProcess[]): number {
  const ended = new Set<string>();
  let again = 0;
  for (const { steps } of workers) {
    again += steps.filter(({ began, run }) => began !== undefined && ended.has(`${run}/${began}`)).length;
    for (const { ended: step, run } of steps) if (step !== undefined) ended.add(`${run}/${step}`);
  }
  return again;
}
