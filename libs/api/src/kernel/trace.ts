import { randomFillSync } from 'node:crypto';

/** What is asked to watch each call: traces and metrics. The default only keeps the trace going. */
export interface CallObserver {
  /** @param traceparent what the caller sent, already checked to be well formed. */
  begin(call: { method: string; transport: 'grpc' | 'http'; traceparent?: string }): ObservedCall;
}

export interface ObservedCall {
  /** W3C traceparent under which the call runs. */
  trace: string;
  /** @param code `ok`, or the code of the refusal. */
  end(code: string): void;
}

const wellFormed = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The header's value when it is a traceparent (W3C Trace Context, version 00), else undefined. */
export function traceparentOf(value: string | undefined): string | undefined {
  return value !== undefined && wellFormed.test(value) ? value : undefined;
}

const ID_BYTES = 24;
const pool = Buffer.alloc(ID_BYTES * 256);
let next = pool.length;

/** Random digits for a trace and a span, drawn from the system in batches. */
function randomIds(): string {
  if (next === pool.length) {
    randomFillSync(pool);
    next = 0;
  }
  next += ID_BYTES;
  return pool.toString('hex', next - ID_BYTES, next);
}

/** A new trace, or a new span of the caller's. */
function nextSpan(parent: string | undefined): string {
  const random = randomIds();
  const traceId = parent ? parent.slice(3, 35) : random.slice(0, 32);
  return `00-${traceId}-${random.slice(32)}-${parent ? parent.slice(53) : '01'}`;
}

/** Carries W3C trace context without exporting anything. */
export const traceOnly: CallObserver = {
  begin: ({ traceparent }) => ({ trace: nextSpan(traceparent), end: () => undefined }),
};
