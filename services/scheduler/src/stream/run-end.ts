import type { LedgerEvent } from '@writ/ledger/domain';
import type { Scheduler } from '../scheduler.js';

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
