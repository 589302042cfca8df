import { random } from '../random.js';

/** A workflow as data. What it comes to does not depend on timing, but for what stands in a `race`. */
export type Program =
  /** Own code that fails `failures` times; it may be tried `attempts` times. */
  | { op: 'step'; name: string; failures: number; attempts: number; ms: number }
  | { op: 'sleep'; ms: number }
  /** Waits for the next message of this name; no other part of the program waits for it. */
  | { op: 'message'; name: string }
  /** Waits for a message that nobody sends. */
  | { op: 'timeout'; ms: number }
  | { op: 'emit'; name: string }
  | { op: 'fail'; code: string }
  /** One after the other. */
  | { op: 'sequence'; of: Program[] }
  /** All at once. */
  | { op: 'all'; of: Program[] }
  /** The first that ends. */
  | { op: 'race'; of: Program[] }
  /** What it threw is its value. */
  | { op: 'catch'; of: Program }
  /** A run of its own. Where nobody waits for it, it is cancelled with its parent. */
  | { op: 'child'; name: string; of: Program; awaited: boolean };

/** One case: a program, what is done to it from outside, and the seed that made both. */
export interface Case {
  readonly seed: number;
  readonly run: string;
  readonly program: Program;
  /** In this order, each at the earliest after so many milliseconds, each as often as `times` says under one idempotency key. */
  readonly messages: readonly { name: string; data: number; afterMs: number; times: number }[];
  /** How often it is started, at once, under the same id. */
  readonly starts: number;
  readonly cancelAfterMs?: number;
}

/** What the parts of a program may hold where they stand. */
interface Place {
  readonly depth: number;
  /** Nobody outside sends messages to a child, and a race would leave open who took one. */
  readonly messages: boolean;
  readonly children: boolean;
}

const MOST_DEPTH = 4;
const CANCELLED = 0.1;

/** The same seed makes the same case. */
export function caseOf(seed: number): Case {
  const maker = new Maker(random(seed));
  const program = maker.program({ depth: 0, messages: true, children: true });
  const messages = maker.names.flatMap((name) =>
    name.startsWith('message ')
      ? [{ name, data: maker.below(1000), afterMs: maker.below(1500), times: maker.between(1, 3) }]
      : [],
  );
  const starts = maker.between(1, 3);
  const cancel = maker.below(1000) < CANCELLED * 1000 ? { cancelAfterMs: maker.below(2000) } : {};
  return { seed, run: `run_program-${seed}`, program, messages, starts, ...cancel };
}

class Maker {
  readonly names: string[] = [];

  constructor(private readonly next: () => number) {}

  below(most: number): number {
    return Math.floor(this.next() * most);
  }

  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  program(place: Place): Program {
    if (place.depth === 0) return { op: 'sequence', of: this.several(place, 2, 5) };
    const composed = place.depth < MOST_DEPTH && this.next() < 0.45;
    return composed ? this.composed(place) : this.plain(place);
  }

  private plain({ messages }: Place): Program {
    switch (this.below(messages ? 10 : 7)) {
      case 0:
        return { op: 'sleep', ms: this.below(400) };
      case 1:
        return { op: 'timeout', ms: this.below(300) };
      case 2:
        return { op: 'emit', name: this.name('emit') };
      case 3:
        return this.next() < 0.3
          ? { op: 'fail', code: `planned.${this.name('fault').replace(' ', '_')}` }
          : this.step();
      case 4:
      case 5:
      case 6:
        return this.step();
      default:
        return { op: 'message', name: this.name('message') };
    }
  }

  private step(): Program {
    const failing = this.next() < 0.3;
    const ms = this.next() < 0.3 ? this.below(300) : 0;
    return { op: 'step', name: this.name('step'), failures: failing ? this.between(1, 3) : 0, attempts: 3, ms };
  }

  private composed(place: Place): Program {
    const within = { ...place, depth: place.depth + 1 };
    switch (this.below(place.children ? 5 : 4)) {
      case 0:
        return { op: 'sequence', of: this.several(within, 1, 4) };
      case 1:
        // Caught one by one: of several that fail at once another one would be the first each time.
        return { op: 'all', of: this.several(within, 2, 4).map((of) => ({ op: 'catch', of })) };
      case 2:
        return { op: 'race', of: this.several({ ...within, messages: false, children: false }, 2, 3) };
      case 3:
        return { op: 'catch', of: this.program(within) };
      default:
        return {
          op: 'child',
          name: this.name('child'),
          of: this.program({ ...within, depth: 0, messages: false, children: place.depth < 2 }),
          awaited: this.next() < 0.8,
        };
    }
  }

  private several(place: Place, least: number, most: number): Program[] {
    return Array.from({ length: this.between(least, most) }, () => this.program({ ...place, depth: place.depth + 1 }));
  }

  private name(kind: string): string {
    const name = `${kind} ${this.names.length}`;
    this.names.push(name);
    return name;
  }
}
