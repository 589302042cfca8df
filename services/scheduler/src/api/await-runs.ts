import { abortable, type Caller } from '@writ/api';
import { refuse, type LedgerEvent } from '@writ/ledger/domain';
import { RunState, type AwaitRunsRequest } from '@writ/proto/run/v1/run';
import type { Content, RunEventData } from '../run/run.events.js';
import type { Scheduler } from '../scheduler.js';
import { may } from './may.js';
import { errorOf } from './payload.js';
import { problemOf } from './problem.js';

/** A stream may wait for so many at once. */
const mostAwaited = 200_000;
/** What goes into one frame. */
const frameBytes = 256 * 1024;

type RunEnd = ReturnType<typeof endOf> | { id: string; problem: ReturnType<typeof problemOf> };

/** Serves `AwaitRuns`: what came since the last frame goes into the next. Ends with the authority of whoever waits. */
export async function* awaitRuns(scheduler: Scheduler, requests: AsyncIterable<AwaitRunsRequest>, caller: Caller) {
  using watched = await scheduler.enforcement?.watch(caller);
  const expired = new AbortController();
  const timer = setTimeout(
    () => expired.abort(tokenExpired()),
    Math.min(caller.expires.getTime() - Date.now(), 2 ** 31 - 1),
  );
  const over = new AbortController();
  const signal = AbortSignal.any([caller.signal, expired.signal, over.signal, ...(watched ? [watched.signal] : [])]);
  const awaited = new Awaited(scheduler, caller);
  awaited.read(requests).catch((error: unknown) => over.abort(error));
  try {
    for await (const ends of abortable(awaited.frames(), signal)) yield { ends };
  } finally {
    clearTimeout(timer);
    awaited.stop();
  }
}

/** What one stream waits for. */
class Awaited {
  private readonly runs = new Set<string>();
  private out: RunEnd[] = [];
  private reading = true;
  private stopped = false;
  private wake: (() => void) | undefined;

  constructor(
    private readonly scheduler: Scheduler,
    private readonly caller: Caller,
  ) {}

  /** Takes the caller's frames until there are no more. */
  async read(requests: AsyncIterable<AwaitRunsRequest>): Promise<void> {
    for await (const { ids, drop } of requests) {
      if (this.stopped) return;
      this.add(ids);
      this.forget(drop);
    }
    this.reading = false;
    this.wake?.();
  }

  async *frames(): AsyncGenerator<RunEnd[], void, undefined> {
    while (!this.stopped) {
      if (this.out.length > 0) yield this.frame();
      else if (!this.reading && this.runs.size === 0) return;
      else await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  stop(): void {
    this.stopped = true;
    this.forget(this.runs);
    this.wake?.();
  }

  private add(ids: readonly string[]): void {
    const wanted: string[] = [];
    for (const id of ids) {
      if (this.runs.has(id)) continue;
      try {
        may(this.caller, 'run.read', id);
      } catch (error) {
        this.tell({ id, problem: problemOf(error, this.scheduler.log) });
        continue;
      }
      this.runs.add(id);
      wanted.push(id);
    }
    if (this.runs.size > mostAwaited)
      throw refuse('run.too_many_awaited', `one stream waits for at most ${mostAwaited} runs`, { most: mostAwaited });
    this.scheduler.owners.ends.watch(this.caller.tenant, wanted, this.ended);
  }

  private forget(ids: Iterable<string>): void {
    this.scheduler.owners.ends.unwatch(this.caller.tenant, ids, this.ended);
    for (const id of ids) this.runs.delete(id);
  }

  private readonly ended = (run: string, end: LedgerEvent | undefined): void => {
    if (!this.runs.has(run)) return;
    if (!end) return void this.lookBack(run);
    this.runs.delete(run);
    this.tell(endOf(end));
  };

  /** Its owner does not know it: it ended long ago, or never was. */
  private async lookBack(id: string): Promise<void> {
    const { tenant, signal } = this.caller;
    try {
      const { end } = await this.scheduler.lookup.end(tenant, id, 0, signal);
      if (end) return this.ended(id, end);
      this.scheduler.owners.ends.watch(tenant, [id], this.ended);
    } catch (error) {
      if (this.runs.delete(id)) this.tell({ id, problem: problemOf(error, this.scheduler.log) });
    }
  }

  private tell(end: RunEnd): void {
    this.out.push(end);
    this.wake?.();
  }

  private frame(): RunEnd[] {
    let bytes = 0;
    const most = this.out.findIndex((end) => (bytes += sizeOf(end)) > frameBytes);
    if (most === -1) return this.out.splice(0);
    return this.out.splice(0, Math.max(1, most));
  }
}

function sizeOf(end: RunEnd): number {
  return 100 + ('result' in end ? end.result.data.length : 'error' in end ? end.error.message.length : 0);
}

function endOf({ subject: id, type, data }: LedgerEvent) {
  if (type === 'run.succeeded.v1') {
    const { value, blob } = data as Content;
    const bytes = value === undefined || blob ? nothing : Buffer.from(JSON.stringify(value));
    return { id, state: RunState.SUCCEEDED, result: { data: bytes, blob: blob?.hash ?? '' } };
  }
  if (type === 'run.failed.v1')
    return { id, state: RunState.FAILED, error: errorOf((data as unknown as RunEventData<'run.failed.v1'>).error) };
  const { reason } = data as unknown as RunEventData<'run.cancelled.v1'>;
  return {
    id,
    state: RunState.CANCELLED,
    error: { code: 'run.cancelled', message: `the run was cancelled: ${reason}` },
  };
}

const nothing = new Uint8Array();

function tokenExpired() {
  return refuse('auth.token_expired', 'the token has expired; go on with a new one for the runs that are left');
}
