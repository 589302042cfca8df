import type { Caller } from '@writ/api';
import type { Enforcement } from '@writ/enforcement';
import { refuse } from '@writ/ledger/domain';

/**
 * A stream outlives the check at its start: the signal aborts when the caller leaves, when the authority is revoked (`auth.revoked`), and when the
 * token expires (`auth.token_expired`).
 */
export async function authorityOf(
  enforcement: Enforcement | undefined,
  caller: Caller,
): Promise<Disposable & { readonly signal: AbortSignal }> {
  const watched = await enforcement?.watch(caller);
  const expired = new AbortController();
  const timer = setTimeout(
    () => expired.abort(refuse('auth.token_expired', 'the token has expired; go on with a new one')),
    Math.min(caller.expires.getTime() - Date.now(), 2 ** 31 - 1),
  );
  return {
    signal: AbortSignal.any([caller.signal, expired.signal, ...(watched ? [watched.signal] : [])]),
    [Symbol.dispose]() {
      clearTimeout(timer);
      watched?.[Symbol.dispose]();
    },
  };
}
