import { DomainError, newId, type EventDraft, type LedgerEvent } from '@writ/ledger/domain';
import { identityModel } from '../identity.model.js';

/** Identity's partition in memory, for tests of deciders: what is decided is evolved at once. */
export class TestPartition {
  readonly model = identityModel();
  private commit = 0;

  constructor(readonly tenant = 'tnt_a') {
    for (const id of [tenant, 'tnt_other'])
      if (id !== 'system') this.do('tenant', id, { type: 'create', name: id }, id);
  }

  /** Decides and evolves. @throws DomainError */
  do(
    aggregate: string,
    subject: string,
    command: { type: string; [field: string]: unknown },
    tenant = this.tenant,
  ): readonly EventDraft[] {
    const time = '2026-11-23T10:00:00.000Z';
    const actor = { principal: 'operator', kind: 'operator' } as const;
    const drafts = this.model.decide({ id: newId('cmd'), tenant, aggregate, subject, command, actor, time });
    this.commit++;
    drafts.forEach((draft, index) => {
      const event = {
        specversion: '1.0',
        id: newId('evt'),
        source: 'identity/00',
        subject,
        time,
        tenant,
        actor,
        cause: 'cmd_1',
        ...draft,
      };
      this.model.evolve(event as LedgerEvent, { commit: this.commit, index });
    });
    return drafts;
  }

  /** The code that the command is refused with. */
  refused(
    aggregate: string,
    subject: string,
    command: { type: string; [field: string]: unknown },
    tenant = this.tenant,
  ): string {
    try {
      this.do(aggregate, subject, command, tenant);
    } catch (error) {
      if (error instanceof DomainError) return error.code;
      throw error;
    }
    return 'not refused';
  }

  /** An agent or a person that holds these actions, with the key `<id>-key`. */
  principal(id: string, actions: readonly string[], tenant = this.tenant): void {
    const capabilities = [{ type: 'writ', actions }];
    const kind = id.startsWith('agt_') ? 'agent' : 'person';
    this.do(kind, id, { type: 'create', name: id, capabilities, holds: everything, key: keyOf(id) }, tenant);
  }
}

/** What the operator holds. */
export const everything = [{ type: 'writ' as const, actions: ['*'] }];

/** A key by name; its numbers are no point of the curve, which deciders do not look at. */
export function keyOf(id: string) {
  const coordinate = 'A'.repeat(43);
  return { kid: `${id}-key`, jwk: { kty: 'EC' as const, crv: 'P-256' as const, x: coordinate, y: coordinate } };
}

/** One capability. */
export function may(actions: readonly string[], resources?: readonly string[]) {
  return resources ? { type: 'writ' as const, actions, resources } : { type: 'writ' as const, actions };
}
