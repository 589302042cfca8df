import { errors, type Adapter, type AdapterFactory, type AdapterPayload } from 'oidc-provider';
import { isSeenOnce, onceKey } from './storage.js';

/** oidc-provider's storage in memory, for tests; `nowMs` moves its clock. */
export function memoryStorage(nowMs: () => number = Date.now): AdapterFactory {
  const rows = new Map<string, { payload: AdapterPayload; expiresMs: number }>();
  return (model): Adapter => {
    const key = (id: string) => `${model}:${id}`;
    const live = (predicate: (payload: AdapterPayload, at: string) => boolean) => {
      for (const [at, row] of rows)
        if (at.startsWith(`${model}:`) && row.expiresMs > nowMs() && predicate(row.payload, at)) return row.payload;
      return undefined;
    };
    return {
      upsert(id, payload, expiresIn) {
        const once = isSeenOnce(model);
        const at = key(once ? onceKey(id, payload) : id);
        if (once && rows.has(at))
          return Promise.reject(new errors.InvalidClientAuth('client assertion tokens must only be used once'));
        rows.set(at, {
          payload,
          expiresMs: expiresIn === undefined ? Number.POSITIVE_INFINITY : nowMs() + expiresIn * 1000,
        });
        return Promise.resolve();
      },
      find: (id) => Promise.resolve(live((_payload, at) => at === key(id))),
      findByUserCode: (userCode) => Promise.resolve(live((payload) => payload.userCode === userCode)),
      findByUid: (uid) => Promise.resolve(live((payload) => payload.uid === uid)),
      consume(id) {
        const row = rows.get(key(id));
        if (row) row.payload = { ...row.payload, consumed: Math.floor(nowMs() / 1000) };
        return Promise.resolve();
      },
      destroy(id) {
        rows.delete(key(id));
        return Promise.resolve();
      },
      revokeByGrantId(grantId) {
        for (const [at, row] of rows) if (row.payload.grantId === grantId) rows.delete(at);
        return Promise.resolve();
      },
    };
  };
}
