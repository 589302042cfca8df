import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { open, readdir, readFile } from 'node:fs/promises';
import { guard } from './guard.js';

/** How one server is started, and how one sees that it is ready. */
export interface ServerSpec {
  /** For messages: `nats-server`, `postgres`. */
  name: string;
  binary: string;
  args: readonly string[];
  options?: Pick<SpawnOptions, 'cwd' | 'env' | 'uid' | 'gid'>;
  logFile: string;
  /** The polite way to end it. */
  signal: 'TERM' | 'INT';
  /** Scratch data, removed by the guard when this process dies without stopping the server. */
  scratch?: string;
  /** Answers once the server serves; asked again until `timeoutMs`. */
  ready(pid: number): Promise<boolean>;
}

/** One run of a server as a child process that never outlives this process. */
export class ServerProcess {
  /** Resolves when the process has ended, for whatever reason. */
  readonly exited: Promise<void>;

  private constructor(
    private readonly spec: ServerSpec,
    private readonly child: ChildProcess,
    readonly pid: number,
    private readonly logStart: number,
  ) {
    const release = guard(pid, spec.signal, spec.scratch);
    this.exited = new Promise((resolve) => {
      child.once('exit', () => {
        release(); // at once: the guard must never end a later process of the same id
        resolve();
      });
    });
  }

  /** @throws Error with the end of the server's log, when it exits or is not ready within `timeoutMs` */
  static async start(spec: ServerSpec, timeoutMs = 30_000): Promise<ServerProcess> {
    const log = await open(spec.logFile, 'a', 0o600);
    const { size } = await log.stat();
    const child = spawn(spec.binary, spec.args, {
      ...spec.options,
      detached: true, // Ctrl-C reaches the parent alone, which then stops its servers in order
      stdio: ['ignore', log.fd, log.fd],
    });
    const spawned = new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    if (child.pid === undefined) return log.close().then(() => spawned as Promise<never>); // says why it was not
    const started = new ServerProcess(spec, child, child.pid, size);
    await Promise.all([log.close(), spawned]);
    await started.untilReady(timeoutMs);
    return started;
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Ends it politely and waits; after `timeoutMs` it is killed. */
  async stop(timeoutMs = 10_000): Promise<void> {
    await this.end(`SIG${this.spec.signal}`, timeoutMs);
  }

  /** SIGKILL, as a crash would be. */
  async kill(): Promise<void> {
    await this.end('SIGKILL', 10_000);
  }

  send(signal: NodeJS.Signals): void {
    if (this.running) this.child.kill(signal);
  }

  /** SIGSTOP. Resolves when every thread stands still, where the system tells: the signal alone is on its way only. */
  async pause(): Promise<void> {
    this.send('SIGSTOP');
    for (const until = Date.now() + 1_000; Date.now() < until && !(await standsStill(this.pid));)
      await new Promise((resolve) => setTimeout(resolve, 2));
  }

  private async end(signal: NodeJS.Signals, timeoutMs: number): Promise<void> {
    if (!this.running) return;
    this.child.ref();
    this.child.kill(signal);
    this.child.kill('SIGCONT'); // a paused process does not see SIGTERM
    const timer = setTimeout(() => this.child.kill('SIGKILL'), timeoutMs);
    await this.exited;
    clearTimeout(timer);
  }

  private async untilReady(timeoutMs: number): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (this.running && Date.now() < deadline) {
      if (await this.spec.ready(this.pid)) {
        this.child.unref(); // a running server does not keep its parent from exiting
        return;
      }
      await Promise.race([this.exited, new Promise((resolve) => setTimeout(resolve, 10))]);
    }
    const ended = this.running ? `was not ready within ${timeoutMs} ms` : 'ended while starting';
    await this.kill();
    const written = (await readFile(this.spec.logFile)).subarray(this.logStart).toString();
    const tail = written.trimEnd().split('\n').slice(-12).join('\n');
    throw new Error(`${this.spec.name} ${ended}; the end of its log:\n${tail}`);
  }
}

async function standsStill(pid: number): Promise<boolean> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  const stats = threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/stat`, 'utf8').catch(() => ') T'));
  // The name of the program stands in brackets before the state, and may hold anything.
  return (await Promise.all(stats)).every((stat) => /^T/.test(stat.slice(stat.lastIndexOf(')') + 2)));
}
