import { decodeBytes, encodeBytes } from '../codec/codec.js';
import type { LoopOptions, Turned } from '../define/context.js';
import { WritError } from '../errors/errors.js';
import { assertNotInStep, insideTurn, nameInTurn } from './inside.js';
import { keyText, loopPrefix } from './record.js';
import { rest } from './rest.js';
import { valueOf } from './steps.js';
import type { RunScope } from './scope.js';

/** How much was recorded since a loop began its generation, and how large its state was when somebody looked last. */
export interface Written {
  readonly entries: number;
  readonly bytes: number;
  readonly stateBytes: number;
}

/** A generation ends when its journal is so long. */
const longest = { entries: 1_000, bytes: 1024 * 1024 };

/** A state is never written for a journal that is smaller: so a conversation that grows is written in a number of bytes that grows with it. */
export const isLong = ({ entries, bytes, stateBytes }: Written): boolean =>
  (entries >= longest.entries || bytes >= longest.bytes) && bytes >= stateBytes;

/** `ctx.loop` */
export async function loop<S, R>(
  scope: RunScope,
  initial: S,
  turn: (state: S) => Promise<Turned<S, R>>,
  opts: LoopOptions = {},
): Promise<R> {
  assertNotInStep('ctx.loop');
  const name = nameInTurn(opts.name ?? 'loop');
  const generations = new Generations(scope, name);
  let { at, state } = await generations.resumed({ at: 1, state: initial });
  for (; ; at++) {
    const prefix = `${generations.prefix}${at}]/`;
    const turned: Partial<Turned<S, R>> = (await insideTurn(prefix, () => turn(state))) ?? {};
    scope.forgetUndos(prefix);
    if ('done' in turned) return turned.done as R;
    if (!('next' in turned))
      throw new WritError(`turn ${at} of the loop '${name}' gave neither 'next' nor 'done'`, { code: 'input.invalid' });
    state = await generations.after(at, turned.next as S, turned.checkpoint === true);
  }
}

/**
 * Messages of one name go to a loop or to what stands beside it, not to both at a time: once turns are forgotten nobody knows which of them had which.
 * @throws WritError `input.invalid`
 */
export function assertOneTaker({ executor }: RunScope, message: string): void {
  const mine = loopOf(nameInTurn(message));
  const other = executor
    .open()
    .find(({ name, wish }) => wish?.type === 'wait' && wish.message === message && loopOf(name) !== mine);
  if (other)
    throw new WritError(
      `'${other.name}' waits for the message '${message}' already, in another loop or outside of one`,
      {
        code: 'input.invalid',
        hint: 'let one of them wait, and tell the other',
      },
    );
}

/** `loop[` of `loop[17]/model`. */
const loopOf = (name: string) => name.slice(0, name.lastIndexOf('[', name.lastIndexOf(']/')) + 1);

/** What is recorded of one loop besides what its turns ask for. */
class Generations {
  /** In front of the number of a turn. */
  readonly prefix: string;
  readonly occurrence: number;
  private since = { entries: 0, bytes: 0 };
  private stateBytes = 0;
  private wanted = false;

  constructor(
    private readonly scope: RunScope,
    readonly name: string,
  ) {
    this.occurrence = scope.executor.tally.next(name);
    this.prefix = loopPrefix(this);
  }

  /** Where the record has a generation the loop goes on with that, at its place among the entries. */
  async resumed<S>(begin: { at: number; state: S }): Promise<{ at: number; state: S }> {
    const { executor } = this.scope;
    const { name, occurrence } = this;
    const { journal } = executor.activation;
    if (!journal.some((entry) => entry.outcome.type === 'loop' && keyText(entry) === keyText(this)))
      return this.begun(begin);
    const wish = { type: 'loop', turn: 0, value: undefined } as const; // the record has it: it is never told
    const outcome = await executor.issue({ kind: 'loop', name, occurrence, wish }).outcome;
    if (outcome.type !== 'loop')
      throw new WritError(`the record has no state of the loop '${name}'`, { code: 'protocol.unknown' });
    this.stateBytes = outcome.value?.length ?? 0;
    return this.begun({ at: outcome.turn, state: decoded(outcome.value) as S });
  }

  /** A turn is over. @returns the state that the next one gets */
  async after<S>(turn: number, state: S, byHand: boolean): Promise<S> {
    this.wanted ||= byHand;
    if (turn === 1) encodeBytes(state); // what cannot be kept is told now, and not a thousand turns later
    const { executor } = this.scope;
    // What goes on beside the turns is still to be settled: another time.
    if (this.leftOpen()) return state;
    if (!this.wanted && !(this.isCaughtUp() && this.scope.endsGeneration(this.written()))) return state;
    // What a turn left behind may have come to its next command with the same entry: it goes first.
    await rest();
    if (this.leftOpen()) return state;
    const value = state === undefined ? undefined : encodeBytes(state);
    this.stateBytes = value?.length ?? 0;
    if (!this.wanted && !this.scope.endsGeneration(this.written())) return state;
    this.wanted = false;
    const { name, occurrence } = this;
    const wish = { type: 'loop', turn: turn + 1, value } as const;
    valueOf(await executor.issue({ kind: 'loop', name, occurrence, wish }).outcome);
    executor.tally.forget(this.prefix);
    return this.begun(decoded(value) as S);
  }

  private leftOpen(): boolean {
    return this.scope.executor.open().some(({ name }) => name.startsWith(this.prefix));
  }

  /** What the function asks for next is in no record, also not as something that it waits for. */
  private isCaughtUp(): boolean {
    const { replaying, activation, tally } = this.scope.executor;
    if (!replaying) return true;
    const { journal, pending } = activation;
    return tally.entries >= journal.length && !pending.some(({ name }) => name.startsWith(this.prefix));
  }

  private begun<T>(value: T): T {
    const { entries, bytes } = this.scope.executor.tally;
    this.since = { entries, bytes };
    return value;
  }

  private written(): Written {
    const { entries, bytes } = this.scope.executor.tally;
    return { entries: entries - this.since.entries, bytes: bytes - this.since.bytes, stateBytes: this.stateBytes };
  }
}

const decoded = (value: Uint8Array | undefined): unknown => (value === undefined ? undefined : decodeBytes(value));
