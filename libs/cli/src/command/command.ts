import type { Call } from './call.js';

/** A positional argument, and the type that its text becomes. */
export interface Argument<T = unknown> {
  readonly about: string;
  readonly kind: 'one' | 'optional' | 'rest';
  readonly _?: () => T;
}

/** A flag, and the type that its text becomes. */
export interface Option<T = unknown> {
  readonly about: string;
  /** As help shows the value: `<text>`; absent: the flag takes none. */
  readonly value?: string;
  readonly kind: 'flag' | 'text' | 'number' | 'list';
  readonly required?: boolean;
  readonly choices?: readonly string[];
  readonly short?: string;
  readonly _?: () => T;
}

type Values<O extends Record<string, Option | Argument>> = {
  [K in keyof O]: O[K] extends { readonly _?: () => infer T } ? T : never;
};

export const one = (about: string): Argument<string> => ({ about, kind: 'one' });
export const optional = (about: string): Argument<string | undefined> => ({ about, kind: 'optional' });
export const rest = (about: string): Argument<string[]> => ({ about, kind: 'rest' });

export const flag = (about: string): Option<boolean> => ({ about, kind: 'flag' });
export const text = (value: string, about: string): Option<string | undefined> => ({ about, value, kind: 'text' });
export const needed = (value: string, about: string): Option<string> => ({
  about,
  value,
  kind: 'text',
  required: true,
});
export const number = (value: string, about: string): Option<number | undefined> => ({ about, value, kind: 'number' });
export const list = (value: string, about: string): Option<string[]> => ({ about, value, kind: 'list' });
export const choice = <const C extends string>(choices: readonly C[], about: string): Option<C | undefined> => ({
  about,
  value: `<${choices.join('|')}>`,
  kind: 'text',
  choices,
});

/** One thing that `writ` can do, as data: help, completion and parsing are made from it. */
export interface Verb {
  readonly name: string;
  readonly about: string;
  /** Said under the usage line, where one sentence is not enough. */
  readonly more?: string;
  readonly arguments: Readonly<Record<string, Argument>>;
  readonly options: Readonly<Record<string, Option>>;
  /** Whole command lines, without the `writ`. */
  readonly examples: readonly string[];
  readonly act: Act<Record<string, unknown>, Record<string, unknown>>;
}

type Act<A, O> = (call: Call, given: A, options: O) => Promise<number | void>;

/** A thing with its verbs: `writ run list`. */
export interface Noun {
  readonly name: string;
  readonly about: string;
  readonly verbs: readonly Verb[];
}

export type Entry = Verb | Noun;

export const isNoun = (entry: Entry): entry is Noun => 'verbs' in entry;

// Not `{}`, which would be an index signature to every name.
type None = Record<never, never>;

interface VerbSpec<A extends Record<string, Argument>, O extends Record<string, Option>> {
  name: string;
  about: string;
  more?: string;
  arguments?: A;
  options?: O;
  examples: readonly string[];
  /** Resolves with an exit code; nothing is 0. Whatever is heavy is imported in here. */
  act: Act<Values<A>, Values<O>>;
}

/** A verb whose action gets its arguments and options with their types. */
export function verb<A extends Record<string, Argument> = None, O extends Record<string, Option> = None>(
  spec: VerbSpec<A, O>,
): Verb {
  const { act, arguments: given, options, ...about } = spec;
  return {
    ...about,
    arguments: given ?? {},
    options: options ?? {},
    act: act as unknown as Verb['act'], // the parser gives what `arguments` and `options` describe
  };
}
