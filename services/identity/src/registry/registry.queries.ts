import { invalid } from '@writ/api';
import { refuse } from '@writ/ledger/domain';
import { readAllTenants, readTenant, writeAllTenants } from '@writ/platform';
import type { DataSource, FindOptionsWhere, ObjectLiteral, Repository } from 'typeorm';
import type { Keys } from '../principal/keys.js';
import type { PrincipalKind } from '../principal/principal.events.js';
import { GrantRow, PrincipalRow, RevocationRow, SigningKeyRow, TenantRow, TokenRow } from './registry.entities.js';
import { belowSubject } from './registry.view.js';

/** One page, newest first. */
export interface Page<T> {
  rows: T[];
  /** Of the page after this one; empty on the last. */
  nextPageToken: string;
}
export interface PageRequest {
  /** 0 means 100. */
  pageSize: number;
  pageToken: string;
}

/** Reads of the registry's view. */
export class RegistryQueries {
  constructor(private readonly dataSource: DataSource) {}

  /** A principal that may authenticate: active, in an active tenant. Over all tenants, because client ids are unique. */
  client(id: string): Promise<{ id: string; tenant: string; kind: PrincipalKind; keys: Keys } | undefined> {
    return readAllTenants(this.dataSource, async (manager) => {
      const row = await manager.getRepository(PrincipalRow).findOneBy({ id, state: 'active' });
      if (!row) return undefined;
      const tenant = await manager.getRepository(TenantRow).findOneBy({ id: row.tenant });
      return tenant?.state === 'revoked' ? undefined : row;
    });
  }

  /** @throws DomainError `identity.agent_not_found`, `identity.person_not_found` */
  async principal(tenant: string, kind: PrincipalKind, id: string): Promise<PrincipalRow> {
    const row = await readTenant(this.dataSource, tenant, (manager) =>
      manager.getRepository(PrincipalRow).findOneBy({ tenant, kind, id }),
    );
    if (!row) throw refuse(`identity.${kind}_not_found`, `there is no ${kind} ${id} in this tenant`);
    return row;
  }

  /** Throws `identity.<kind>_exists` where another tenant has that id: client ids are unique in an installation. */
  async available(tenant: string, kind: PrincipalKind, id: string): Promise<void> {
    const row = await readAllTenants(this.dataSource, (manager) =>
      manager.getRepository(PrincipalRow).findOneBy({ id }),
    );
    if (row && row.tenant !== tenant)
      throw refuse(`identity.${kind}_exists`, `${id} is taken; choose another id, or none`);
  }

  principals(tenant: string, kind: PrincipalKind, page: PageRequest): Promise<Page<PrincipalRow>> {
    return readTenant(this.dataSource, tenant, (manager) =>
      pageOf(manager.getRepository(PrincipalRow), { tenant, kind }, ['created', 'id', /^[\w-]{1,200}$/], page),
    );
  }

  tenants(page: PageRequest): Promise<Page<TenantRow>> {
    return readAllTenants(this.dataSource, (manager) =>
      pageOf(manager.getRepository(TenantRow), {}, ['created', 'id', /^[\w-]{1,200}$/], page),
    );
  }

  revocations(tenant: string, page: PageRequest): Promise<Page<RevocationRow>> {
    return readTenant(this.dataSource, tenant, (manager) =>
      pageOf(manager.getRepository(RevocationRow), { tenant }, ['revoked', 'epoch', /^\d{1,15}$/], page),
    );
  }

  /** The revocation of a subject, if there is one. */
  async revocation(tenant: string, subject: string): Promise<RevocationRow | undefined> {
    const row = await readTenant(this.dataSource, tenant, (manager) =>
      manager.getRepository(RevocationRow).findOneBy({ tenant, subject }),
    );
    return row ?? undefined;
  }

  /** The runs whose grants a revocation took away. */
  async revokedRuns(epoch: string): Promise<string[]> {
    const rows = await readAllTenants(this.dataSource, (manager) =>
      manager.getRepository(GrantRow).find({ where: { revokedEpoch: epoch }, order: { run: 'asc' } }),
    );
    return rows.map(({ run }) => run);
  }

  /** The runs whose grants rest on a subject and are still good. */
  async runsBelow(tenant: string, subject: string): Promise<string[]> {
    const rows: { run: string }[] = await readTenant(this.dataSource, tenant, (manager) =>
      manager.query(`select run from grants where revoked_epoch is null and ${belowSubject} order by run`, [
        tenant,
        subject,
      ]),
    );
    return rows.map(({ run }) => run);
  }

  /** The tenant that an id belongs to, for an operator who names none; undefined if it is not known, or of several. */
  async tenantOf(subject: string): Promise<string | undefined> {
    if (subject.startsWith('tnt_')) return subject;
    const [found, another] = await readAllTenants(this.dataSource, async (manager) => [
      ...(await manager.getRepository(PrincipalRow).findBy({ id: subject })),
      ...(await manager.getRepository(GrantRow).find({ where: { run: subject }, take: 2 })),
      ...(await manager.getRepository(TokenRow).findBy({ jti: subject })),
    ]);
    return another ? undefined : found?.tenant;
  }

  /** Newest first. */
  signingKeys(): Promise<SigningKeyRow[]> {
    return this.dataSource.getRepository(SigningKeyRow).find({ order: { since: 'desc' } });
  }

  /** Deletes tokens that have expired. */
  async sweepTokens(): Promise<void> {
    await this.dataSource.transaction(async (manager) => {
      await writeAllTenants(manager);
      await manager.query('delete from tokens where expires < now()');
    });
  }
}

async function pageOf<T extends ObjectLiteral>(
  repository: Repository<T>,
  where: FindOptionsWhere<T>,
  [time, id, isId]: [keyof T & string, keyof T & string, RegExp],
  { pageSize, pageToken }: PageRequest,
): Promise<Page<T>> {
  const size = pageSize || 100;
  const query = repository.createQueryBuilder('row').where(where);
  if (pageToken !== '') query.andWhere(`(row.${time}, row.${id}) < (:time, :id)`, decodeToken(pageToken, isId));
  const rows = await query
    .orderBy(`row.${time}`, 'DESC')
    .addOrderBy(`row.${id}`, 'DESC')
    .take(size + 1)
    .getMany();
  const last = rows[size - 1];
  const more = rows.length > size && last !== undefined;
  return { rows: rows.slice(0, size), nextPageToken: more ? encodeToken(last[time] as Date, String(last[id])) : '' };
}

export function encodeToken(time: Date, id: string): string {
  return Buffer.from(JSON.stringify([time.toISOString(), id])).toString('base64url');
}

/** Reads what {@link encodeToken} wrote, character by character: what else it might hold, PostgreSQL would choke on. */
export function decodeToken(token: string, isId: RegExp): { time: string; id: string } {
  try {
    const [time, id] = JSON.parse(Buffer.from(token, 'base64url').toString()) as [string, string];
    const ours = encodeToken(new Date(time), String(id)) === token;
    if (ours && isId.test(id) && /^\d{4}-/.test(time)) return { time, id };
  } catch {
    // not one of ours
  }
  throw invalid([{ field: 'page_token', detail: 'is not a token that a list gave' }]);
}
