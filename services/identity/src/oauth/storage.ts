import { errors, type Adapter, type AdapterFactory, type AdapterPayload } from 'oidc-provider';
import type { DataSource } from 'typeorm';

/**
 * oidc-provider's storage in one table. Only what must be seen once is ever in it (ids of client assertions): access
 * tokens are JWTs, and clients come from the registry.
 */
export function postgresStorage(dataSource: DataSource): AdapterFactory {
  return (model) => new PostgresAdapter(model, dataSource);
}

/** Deletes what has expired. @returns how many rows */
export async function sweepStorage(dataSource: DataSource): Promise<number> {
  const [, count] = (await dataSource.query('delete from oauth_models where expires_at < now()')) as [unknown, number];
  return count;
}

/**
 * Whether a model is of what may be seen once. To store it is to see it: the provider's look before that proves nothing of two requests at the
 * same time, and it looks for a hash of client and assertion id run together, where `agt_a` with `12` is `agt_a1` with `2`.
 */
export function isSeenOnce(model: string): boolean {
  return model === 'ReplayDetection';
}

/** Under which what may be seen once is stored: two clients, perhaps of two tenants, never have the same. */
export function onceKey(id: string, { iss }: AdapterPayload): string {
  return `${String(iss)} ${id}`;
}

class PostgresAdapter implements Adapter {
  constructor(
    private readonly model: string,
    private readonly dataSource: DataSource,
  ) {}

  async upsert(id: string, payload: AdapterPayload, expiresIn?: number): Promise<void> {
    const once = isSeenOnce(this.model);
    const rows: unknown[] = await this.dataSource.query(
      `insert into oauth_models (model, id, payload, grant_id, user_code, uid, expires_at)
       values ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7))
       on conflict (model, id) do ${once ? 'nothing' : 'update set payload = excluded.payload, expires_at = excluded.expires_at'}
       returning id`,
      [
        this.model,
        once ? onceKey(id, payload) : id,
        payload,
        payload.grantId ?? null,
        payload.userCode ?? null,
        payload.uid ?? null,
        expiresIn ?? null,
      ],
    );
    if (once && rows.length === 0) throw new errors.InvalidClientAuth('client assertion tokens must only be used once');
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    return isSeenOnce(this.model) ? undefined : this.findBy('id', id);
  }

  findByUserCode(userCode: string): Promise<AdapterPayload | undefined> {
    return this.findBy('user_code', userCode);
  }

  findByUid(uid: string): Promise<AdapterPayload | undefined> {
    return this.findBy('uid', uid);
  }

  async consume(id: string): Promise<void> {
    await this.dataSource.query(
      `update oauth_models set payload = payload || jsonb_build_object('consumed', extract(epoch from now())::bigint)
       where model = $1 and id = $2`,
      [this.model, id],
    );
  }

  async destroy(id: string): Promise<void> {
    await this.dataSource.query('delete from oauth_models where model = $1 and id = $2', [this.model, id]);
  }

  async revokeByGrantId(grantId: string): Promise<void> {
    await this.dataSource.query('delete from oauth_models where grant_id = $1', [grantId]);
  }

  private async findBy(column: 'id' | 'user_code' | 'uid', value: string): Promise<AdapterPayload | undefined> {
    const rows: { payload: AdapterPayload }[] = await this.dataSource.query(
      `select payload from oauth_models where model = $1 and ${column} = $2 and (expires_at is null or expires_at > now())`,
      [this.model, value],
    );
    return rows[0]?.payload;
  }
}
