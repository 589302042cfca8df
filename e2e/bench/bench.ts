import type { Conditions } from './conditions.js';

/** One number of one run. Names say what and in which unit: `aloneP50Ms`, `eventsPerSecond64`. */
export interface Measurement {
  name: string;
  value: number;
  /** For people: `ms`, `events/s`, `MiB`. */
  unit: string;
}

/** The median of the runs, and their range. */
export interface Figure extends Measurement {
  min: number;
  max: number;
}

export type Target = { readonly atMost: number } | { readonly atLeast: number };

/** Which of a bench is wanted. */
export interface Choice {
  /** Of `--only`, or all of them. */
  readonly parts: ReadonlySet<string>;
  /** Others that do the same are measured beside. */
  readonly peers: boolean;
}

/** What a module `e2e/bench/<name>.bench.ts` exports as `bench`. */
export interface Bench<Prepared = void> {
  name: string;
  /** One line for the list. */
  about: string;
  /** What a reader might believe that these figures say, and they do not. */
  doesNotMeasure: readonly string[];
  /** What each figure must reach; printed beside it. */
  targets?: Readonly<Record<string, Target>>;
  /** What `--only` may name. */
  parts?: readonly string[];
  /** Once, before the runs. A thing with `Symbol.asyncDispose` is disposed of after them. */
  prepare?(conditions: Conditions): Promise<Prepared>;
  /** Once for each of the runs; every run gives the same names. */
  run(conditions: Conditions, prepared: Prepared, choice: Choice): Promise<Measurement[]>;
  /** With `--write`, after the runs: puts what they found into the docs. Gives the file. */
  document?(figures: readonly Figure[], conditions: Conditions): Promise<string>;
}

/** Types a bench without naming what it prepares. */
export function defineBench<Prepared = void>(bench: Bench<Prepared>): Bench<Prepared> {
  return bench;
}

/** @throws Error when a run lacks a figure that another has */
export function summarise(runs: readonly (readonly Measurement[])[]): Figure[] {
  const [first = []] = runs;
  return first.map(({ name, unit }) => {
    const values = runs.map((run) => {
      const found = run.find((measurement) => measurement.name === name);
      if (!found || run.length !== first.length) throw new Error(`not every run measured the same; look at ${name}`);
      return found.value;
    });
    values.sort((a, b) => a - b);
    return { name, value: quantile(values, 0.5), min: values[0] ?? NaN, max: values.at(-1) ?? NaN, unit };
  });
}

/** The value below which the share `q` of the sorted values lies, interpolated; NaN for none. */
export function quantile(sorted: readonly number[], q: number): number {
  const position = (sorted.length - 1) * q;
  const low = sorted[Math.floor(position)] ?? NaN;
  const high = sorted[Math.ceil(position)] ?? NaN;
  return low + (high - low) * (position - Math.floor(position));
}

/** A figure for people: three digits, or whole numbers. */
export function short(value: number): string {
  return value >= 1_000 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}

/** `✗ at least 8`; nothing where nothing is wanted. */
export function verdictOf(target: Target | undefined, value: number): string {
  if (!target) return '';
  const reached = 'atMost' in target ? value <= target.atMost : value >= target.atLeast;
  const bound = 'atMost' in target ? `at most ${short(target.atMost)}` : `at least ${short(target.atLeast)}`;
  return `${reached ? '✓' : '✗'} ${bound}`;
}
