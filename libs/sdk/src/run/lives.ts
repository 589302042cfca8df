import type { Activation, Entry } from './record.js';

/**
 * The lives of a run. One that was restarted, or forked from another run, begins with entries of an earlier life: as long as the function is fed those,
 * time and randomness are that life's, so that it takes the same way; from the last of them on they are its own.
 */
export class Lives {
  /** Names this life, in ids of effects: what an earlier one has performed is not what this one performs. */
  readonly id: string;
  #entries = 0;

  constructor(private readonly activation: Pick<Activation, 'runId' | 'life' | 'kept' | 'startedAtMs'>) {
    this.id = activation.life ?? activation.runId;
  }

  /** `ctx.now` before the first entry. */
  get began(): Date {
    return new Date(this.#over()?.untilMs ?? this.activation.startedAtMs);
  }

  /** What randomness depends on. */
  get seed(): string {
    return this.activation.kept?.find(({ entries }) => entries > this.#entries)?.life ?? this.id;
  }

  /** One more entry. @returns the time that it is */
  pass({ timeMs }: Entry): Date {
    this.#entries++;
    return new Date(this.#over()?.untilMs ?? timeMs);
  }

  /** The life whose last entry the newest one is. */
  #over() {
    return this.activation.kept?.findLast(({ entries }) => entries === this.#entries);
  }
}
