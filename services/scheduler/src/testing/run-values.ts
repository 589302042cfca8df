/** Values as they stand in frames of the worker's protocol, and what entries of a journal say. */
import type { Entry, Failure, Value } from '@writ/proto/worker/v1/worker';

/** An error that came by way of the record. */
export class RecordedError extends Error {
  constructor(readonly failure: Pick<Failure, 'code' | 'message'> & { details?: Failure['details'] | object }) {
    super(failure.message);
  }
}

export function wire(value: unknown): { value?: { case: 'json'; value: Uint8Array } } {
  return value === undefined ? {} : { value: { case: 'json', value: Buffer.from(JSON.stringify(value)) } };
}

export function textOf(value: Value | undefined): string {
  return value?.value.case === 'json' ? Buffer.from(value.value.value).toString() : 'undefined';
}

export function valueOf(value: Value | undefined): unknown {
  return value?.value.case === 'json' ? JSON.parse(textOf(value)) : undefined;
}

export function completed({ outcome }: Entry): unknown {
  return outcome.case === 'completed' ? valueOf(outcome.value) : undefined;
}

export function joined({ outcome }: Entry): (string | undefined)[] {
  return outcome.case === 'joined' ? outcome.value.children.map(({ end }) => end.case) : [];
}

export function answered({ outcome }: Entry) {
  if (outcome.case !== 'answered') throw new Error(`no answer but ${String(outcome.case)}`);
  return { approved: outcome.value.approved, by: outcome.value.by, value: valueOf(outcome.value.value) };
}

export function failureOf(error: unknown) {
  return {
    code: error instanceof RecordedError ? error.failure.code : 'error',
    message: error instanceof Error ? error.message : String(error),
    ...(error instanceof RecordedError && error.failure.details && { details: wire(error.failure.details) }),
  };
}
