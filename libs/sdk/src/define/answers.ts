import type { In, Out, Schema } from './schema.js';

/** What a run answers, by name: what comes with the question, and what the answer is. */
export type Answers = Record<string, { readonly input?: Schema; readonly output?: Schema }>;

/** What whoever asks gives. */
export type Given<A> = A extends { readonly input: infer S } ? In<S> : void;
/** What whoever asks gets. */
export type Told<A> = A extends { readonly output: infer S } ? Out<S> : unknown;
/** What the code that answers gets. */
export type Asked<A> = A extends { readonly input: infer S } ? Out<S> : void;
/** What the code that answers gives. */
export type Said<A> = A extends { readonly output: infer S } ? In<S> : unknown;

/** Arguments of a question: its input may be left out where it has none. */
export type AskArguments<A, O> = void extends Given<A> ? [input?: Given<A>, opts?: O] : [input: Given<A>, opts?: O];

/** How an update is handled. */
export interface HandleOptions<I> {
  /**
   * Refuses the update by throwing, before anything is recorded. It sees the state in which the handler begins, must not wait and must not change anything.
   */
  accept?(input: I): void;
}
