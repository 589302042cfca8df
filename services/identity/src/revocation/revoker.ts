import type { Caller } from '@writ/api';
import { refuse } from '@writ/ledger/domain';
import type { IdentityCommands } from '../registry/identity.commands.js';
import type { RegistryQueries } from '../registry/registry.queries.js';
import { revocableKind } from './revocation.js';

/** What a revocation did. */
export interface RevokeReceipt {
  /** Grants that lost their authority. */
  grants: number;
  /** The runs that they belong to. */
  runs: string[];
  eventId: string;
  epoch: bigint;
  position: string;
}

/** Takes authority away, and says from whom. */
export class Revoker {
  constructor(
    private readonly commands: IdentityCommands,
    private readonly queries: RegistryQueries,
  ) {}

  /**
   * Returns once it is committed, which is when enforcement points begin to refuse. Repeating it gives the same receipt.
   * @throws DomainError `identity.subject_not_found`, `identity.not_revocable`, `identity.operator_only`
   */
  async revoke(caller: Caller, subject: string, reason: string): Promise<RevokeReceipt> {
    const tenant = await this.tenantFor(caller, subject);
    const { position, events } = await this.commands.send(
      caller,
      'revocation',
      subject,
      { type: 'revoke', reason },
      tenant,
    );
    await this.commands.see(position);
    const row = await this.queries.revocation(tenant, subject);
    const data = events[0]?.data as { epoch: number } | undefined;
    const epoch = String(row?.epoch ?? data?.epoch ?? 0);
    const runs = await this.queries.revokedRuns(epoch);
    return { grants: runs.length, runs, eventId: row?.event ?? events[0]?.id ?? '', epoch: BigInt(epoch), position };
  }

  /** What it would do. */
  async preview(caller: Caller, subject: string): Promise<Partial<RevokeReceipt>> {
    await this.commands.seeEverything();
    const runs = await this.queries.runsBelow(await this.tenantFor(caller, subject), subject);
    return { grants: runs.length, runs };
  }

  private async tenantFor({ kind, tenant }: Caller, subject: string): Promise<string> {
    if (kind !== 'operator') {
      if (revocableKind(subject) === 'tenant')
        throw refuse('identity.operator_only', 'only the operator revokes a tenant');
      return tenant;
    }
    // An operator is of no tenant: the subject says which it is, unless the header did.
    return tenant.startsWith('tnt_') ? tenant : ((await this.queries.tenantOf(subject)) ?? tenant);
  }
}
