import { toJson } from '@bufbuild/protobuf';
import { ValueSchema } from '@bufbuild/protobuf/wkt';
import { RunState } from '@writ/proto/run/v1/run';
import { RunStreamService, type StepDelta, type StreamRunResponse } from '@writ/proto/run/v1/stream';
import { decode, type Encoded } from '../codec/codec.js';
import { WritError } from '../errors/errors.js';
import type { RunDelta } from './run.js';
import { pause, type Session } from './session.js';

const ends: Readonly<Partial<Record<RunState, 'succeeded' | 'failed' | 'cancelled'>>> = {
  [RunState.SUCCEEDED]: 'succeeded',
  [RunState.FAILED]: 'failed',
  [RunState.CANCELLED]: 'cancelled',
};

/** What the steps of a run write, from a cursor on. A broken connection is made again where it broke. Ends with the run. */
export async function* streamRun(
  session: Session,
  id: string,
  { after = '', signal }: { after?: string; signal?: AbortSignal } = {},
): AsyncGenerator<RunDelta, void, undefined> {
  let cursor = after;
  for (let failures = 0; ;)
    try {
      for await (const response of session.stream(
        RunStreamService.method.streamRun,
        { id, after: cursor },
        { signal },
      )) {
        failures = 0;
        yield* deltasOf(response, cursor);
        cursor = response.cursor;
        if (response.ended !== RunState.UNSPECIFIED) return;
      }
      await pause(100, signal); // the server ended it: it goes away, and another one takes over
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      const mayHeal = WritError.is(error) && (error.retryable || error.code === 'auth.token_expired');
      if (!mayHeal || ++failures > 20) throw error;
      session.askAgainWhere();
      await pause(Math.min(100 * 2 ** failures, 5_000), signal);
    }
}

/** A cursor and a number go on behind so many deltas after it. */
function* deltasOf({ deltas, missed, cursor, ended }: StreamRunResponse, before: string): Generator<RunDelta> {
  const all: Omit<RunDelta, 'cursor'>[] = deltas.map(deltaOf);
  if (missed > 0n) all.unshift({ type: 'missed', step: '', attempt: 0, chunks: Number(missed) } as RunDelta);
  const state = ends[ended];
  if (state) all.push({ type: 'ended', step: '', attempt: 0, state } as RunDelta);
  // Where some are missing the place in between has no name: who goes on there gets the answer again.
  const inside = (at: number) => (missed > 0n ? before : `${before}+${at + 1}`);
  for (const [at, delta] of all.entries())
    yield { ...delta, cursor: at === all.length - 1 ? cursor : inside(at) } as RunDelta;
}

function deltaOf({ step, attempt, what }: StepDelta): Omit<RunDelta, 'cursor'> {
  const of = { step, attempt };
  if (what.case === 'data')
    return { ...of, type: 'data', data: decode(toJson(ValueSchema, what.value) as Encoded) } as RunDelta;
  if (what.case === 'missed') return { ...of, type: 'missed', chunks: Number(what.value) } as RunDelta;
  return { ...of, type: what.case ?? 'started' } as RunDelta;
}
