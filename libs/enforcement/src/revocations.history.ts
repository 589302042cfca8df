import type { Ledger } from '@writ/ledger';
import { RevokedSet, type Revoked } from './revocations.js';

/** The first commit of identity's ledger that is as young as that, by bisection; `last` is the newest. One more than `last` where none is. */
export async function firstCommitSince(ledger: Pick<Ledger, 'read'>, last: number, sinceMs: number): Promise<number> {
  let low = 1;
  let high = last + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if ((await timeOf(ledger, middle)) < sinceMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

async function timeOf(ledger: Pick<Ledger, 'read'>, commit: number): Promise<number> {
  for await (const { time } of ledger.read('identity', 0, { from: commit - 1, to: commit })) return time.getTime();
  return Number.POSITIVE_INFINITY;
}

/**
 * What was revoked since then, oldest first, up to now. Tokens need a quarter of an hour of it, which followers remember; whoever keeps
 * something that lives longer than a token looks further back. @throws DomainError `ledger.*`
 */
export async function* revokedSince(ledger: Pick<Ledger, 'last' | 'read'>, sinceMs: number): AsyncIterable<Revoked> {
  const last = await ledger.last('identity', 0);
  const from = await firstCommitSince(ledger, last, sinceMs);
  const set = new RevokedSet();
  for await (const { events } of ledger.read('identity', 0, { from: from - 1, to: last }))
    for (const event of events) {
      const revoked = event.type === 'revocation.issued.v1' ? set.apply(event) : undefined;
      if (revoked) yield revoked;
    }
}
