import type { Command, Key, RunEnd, RunReport } from './record.js';
import type { Chunks } from './writing.js';

/** Where an executor reports to. */
export interface RunPort {
  /** The function has ended; what is to be done before that is reported. */
  beforeEnd?(): Promise<void>;
  report(report: RunReport): void;
  /** A step writes for who watches. */
  write?(step: Key & { attempt: number }, chunks: Chunks, written: () => void): void;
}

/** What an executor has to tell, gathered until its function has come to rest. */
export class Outbox {
  readonly #commands: Command[] = [];
  /** The scheduler was told that this run waits; an entry ends that. */
  #idleTold = false;
  /** Steps that take back what the function did; a cancel must know of them, whichever comes first. */
  #undoing: readonly string[] = [];
  #undoingTold = true;

  constructor(private readonly port: RunPort) {}

  get isEmpty(): boolean {
    return this.#commands.length === 0;
  }

  add(command: Command): void {
    this.#commands.push(command);
  }

  /** Something came true: that the run waits is to be told anew. */
  heard(): void {
    this.#idleTold = false;
  }

  undo(steps: readonly string[]): void {
    this.#undoing = steps;
    this.#undoingTold = false;
  }

  /** A cancel is told anew what is taken back. */
  cancelled(): void {
    this.#undoingTold = false;
  }

  /** Tells what there is, and that the run waits, each once. */
  tell(idle: boolean, entries: number): void {
    if (this.isEmpty && this.#undoingTold && (!idle || this.#idleTold)) return;
    this.#idleTold = idle;
    this.report(undefined, idle, entries);
  }

  report(end: RunEnd | undefined, idle: boolean, entries: number): void {
    const undoing = this.#undoingTold || this.#undoing.length === 0 ? {} : { undoing: this.#undoing };
    this.#undoingTold = true;
    const commands = this.#commands.splice(0);
    this.port.report({ commands, ...(end ? { end } : {}), idle, entries, ...undoing });
  }
}
