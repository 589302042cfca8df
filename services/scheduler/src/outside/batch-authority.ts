import type { Enforcement } from '@writ/enforcement';
import type { HeldBatch } from '../batch/batch-model.js';

/** Resolves with what was taken away of the authority by which a batch acts, also before now; with nothing when `signal` aborts. */
export async function lostAuthority(
  enforcement: Pick<Enforcement, 'onRevoked' | 'revokedSince'>,
  { tenant, batch }: HeldBatch,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { principal, run, onBehalfOf = [] } = batch.definition.by;
  const concerned = new Set([principal, tenant, ...(run === undefined ? [] : [run]), ...onBehalfOf]);
  const why = (subject: string) => `the authority of ${subject} was taken away`;
  let stop = (): void => {};
  const revoked = new Promise<string | undefined>((resolve) => {
    stop = enforcement.onRevoked((each) => {
      if (each.tenant === tenant && concerned.has(each.subject)) resolve(why(each.subject));
    });
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
  try {
    for await (const each of enforcement.revokedSince(new Date(batch.createdMs)))
      if (each.tenant === tenant && concerned.has(each.subject)) return why(each.subject);
    return await revoked;
  } finally {
    stop();
  }
}
