import type { Case, Program } from './program.js';

/** How a run ended: with a value, or with the code of its error. */
export type Outcome = { value: unknown } | { code: string };

/** What a step of a program leaves behind once it has ended. */
export interface ExpectedStep {
  readonly attempts: number;
  readonly completes: boolean;
}

/** What one run must come to, by the simplest reading of its program: no ledger, no worker, no time. */
export class Model {
  readonly steps = new Map<string, ExpectedStep>();
  readonly children = new Map<string, Model>();

  private constructor(
    readonly run: string,
    private readonly program: Program,
    private readonly sent: ReadonlyMap<string, number>,
  ) {
    this.collect(program);
  }

  static of({ run, program, messages }: Case): Model {
    return new Model(run, program, new Map(messages.map(({ name, data }) => [name, data])));
  }

  /** Whether the run may end like this. Only a race leaves a choice. */
  allows(outcome: Outcome): boolean {
    return 'code' in outcome ? this.mayThrow(this.program, outcome.code) : this.mayGive(this.program, outcome.value);
  }

  private collect(part: Program): void {
    if (part.op === 'step')
      this.steps.set(part.name, {
        attempts: Math.min(part.failures + 1, part.attempts),
        completes: part.failures < part.attempts,
      });
    if (part.op === 'child') {
      const run = childOf(this.run, part.name);
      this.children.set(run, new Model(run, part.of, new Map()));
    } else if (part.op === 'catch') this.collect(part.of);
    else if ('of' in part) for (const each of part.of) this.collect(each);
  }

  private mayGive(part: Program, value: unknown): boolean {
    switch (part.op) {
      case 'step':
        return part.failures < part.attempts && value === part.name;
      case 'sleep':
        return value === 'slept';
      case 'message':
        return value === this.sent.get(part.name);
      case 'timeout':
        return value === 'timed out';
      case 'emit':
        return value === 'emitted';
      case 'fail':
        return false;
      case 'sequence':
      case 'all':
        return (
          Array.isArray(value) &&
          value.length === part.of.length &&
          part.of.every((each, at) => this.mayGive(each, value[at]))
        );
      case 'race':
        return part.of.some((each) => this.mayGive(each, value));
      case 'catch':
        return this.mayGive(part.of, value) || (isCaught(value) && this.mayThrow(part.of, value.caught));
      case 'child':
        return part.awaited ? this.child(part).allows({ value }) : value === 'started';
    }
  }

  private mayThrow(part: Program, code: string): boolean {
    switch (part.op) {
      case 'step':
        return part.failures >= part.attempts && code === 'planned.step';
      case 'fail':
        return code === part.code;
      case 'sequence':
        return part.of.some(
          (each, at) => this.mayThrow(each, code) && part.of.slice(0, at).every((before) => this.mayEnd(before)),
        );
      case 'all':
      case 'race':
        return part.of.some((each) => this.mayThrow(each, code));
      case 'child':
        return part.awaited && this.child(part).allows({ code });
      default:
        return false;
    }
  }

  /** Whether it may come to a value at all. */
  private mayEnd(part: Program): boolean {
    switch (part.op) {
      case 'step':
        return part.failures < part.attempts;
      case 'fail':
        return false;
      case 'sequence':
      case 'all':
        return part.of.every((each) => this.mayEnd(each));
      case 'race':
        return part.of.some((each) => this.mayEnd(each));
      case 'child':
        return !part.awaited || this.child(part).mayEnd(part.of);
      default:
        return true;
    }
  }

  private child({ name }: { name: string }): Model {
    return this.children.get(childOf(this.run, name)) as Model;
  }
}

/** The id of a child of a run. */
export function childOf(run: string, name: string): string {
  return `${run}.${name.replace(' ', '-')}`;
}

function isCaught(value: unknown): value is { caught: string } {
  return typeof value === 'object' && value !== null && 'caught' in value;
}
