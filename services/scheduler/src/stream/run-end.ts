import type { LedgerEvent } from '@writ/ledger/domain';
import type { RunEventData } from '../run/run.events.js';
import type { Scheduler } from '../scheduler.js';
import type { DeltaWriter } from './delta.js';

/** Waits for the end of a run, at whatever replica its owner is. @returns the type of the event; undefined when the signal was first */
export function endOf(
  { lookup, owners }: Pick<Scheduler, 'lookup' | 'owners'>,
  tenant: string,
  run: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const finish = (type: string | undefined) => {
      owners.ends.unwatch(tenant, [run], ended);
      signal.removeEventListener('abort', leave);
      resolve(type);
    };
    const leave = () => finish(undefined);
    // Its owner does not know it: it ended long ago, or has another owner now.
    const lookBack = async () => {
      const { end } = await lookup.end(tenant, run, 0, signal);
      if (end) finish(end.type);
      else if (!signal.aborted) owners.ends.watch(tenant, [run], ended);
    };
    const ended = (_run: string, end: LedgerEvent | undefined) => {
      if (end) finish(end.type);
      else lookBack().catch(leave);
    };
    signal.addEventListener('abort', leave, { once: true });
    if (signal.aborted) leave();
    else owners.ends.watch(tenant, [run], ended);
  });
}

/**
 * Says in the stream of a run that has ended how its steps did, where that is not there yet: the reactor, which says it, may be behind the end. So whoever hears
 * of the end has heard of those before.
 */
export async function settleAll(
  { deltas, lookup }: Pick<Scheduler, 'deltas' | 'lookup'>,
  tenant: string,
  run: string,
): Promise<void> {
  const head = await deltas.store.head(deltas.subject(tenant, run));
  const open = new Set(Object.keys((head?.state.writer as DeltaWriter | undefined)?.steps ?? {}));
  if (open.size === 0) return;
  for (const { type, data } of (await lookup.record(tenant, run)).events) {
    if (type !== 'run.streamed.v1') continue;
    const { name, occurrence, ...of } = data as unknown as RunEventData<'run.streamed.v1'>;
    const step = `${name}/${occurrence}`;
    if (open.has(step)) await deltas.settle(tenant, run, { step, ...of });
  }
}
