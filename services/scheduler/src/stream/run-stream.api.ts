import { Inject } from '@nestjs/common';
import { abortable, ApiService, type Caller, type ServiceImplementation } from '@writ/api';
import { RunState } from '@writ/proto/run/v1/run';
import { RunStreamService, type StreamRunRequest } from '@writ/proto/run/v1/stream';
import type { Json } from '@writ/ledger/domain';
import { authorityOf } from '../api/authority.js';
import { may } from '../api/may.js';
import { valueOf } from '../api/payload.js';
import { SCHEDULER } from '../api/tokens.js';
import type { Scheduler } from '../scheduler.js';
import type { DeltaMessage } from './delta.js';
import { runStream, type RunPart } from './run-stream.js';

const ends: Readonly<Record<string, RunState>> = {
  'run.succeeded.v1': RunState.SUCCEEDED,
  'run.failed.v1': RunState.FAILED,
  'run.cancelled.v1': RunState.CANCELLED,
};

/** Implements `writ.run.v1.RunStreamService`. */
@ApiService(RunStreamService)
export class RunStreamApi implements ServiceImplementation<typeof RunStreamService> {
  constructor(@Inject(SCHEDULER) private readonly scheduler: Scheduler) {}

  async *streamRun({ id, after }: StreamRunRequest, caller: Caller) {
    may(caller, 'run.read', id);
    using authority = await authorityOf(this.scheduler.enforcement, caller);
    const { signal } = authority;
    const left = this.scheduler.deltas.metrics.reader();
    const parts = runStream(this.scheduler, { tenant: caller.tenant, run: id, after }, signal);
    try {
      for await (const part of abortable(parts, signal)) yield responseOf(part);
    } finally {
      left();
    }
  }
}

function responseOf({ messages, cursor, missed, ended }: RunPart) {
  return {
    deltas: messages.map(deltaOf),
    cursor,
    missed: BigInt(missed),
    ...(ended !== undefined && { ended: ends[ended] ?? RunState.UNSPECIFIED }),
  };
}

function deltaOf(message: DeltaMessage) {
  const { step, attempt } = message;
  return { step, attempt, what: whatOf(message) };
}

function whatOf(message: DeltaMessage) {
  if ('data' in message) return { case: 'data' as const, value: valueOf(message.data as Json) };
  if ('missed' in message) return { case: 'missed' as const, value: BigInt(message.missed) };
  if ('started' in message) return { case: 'started' as const, value: true };
  if ('completed' in message) return { case: 'completed' as const, value: true };
  return { case: 'failed' as const, value: true };
}
