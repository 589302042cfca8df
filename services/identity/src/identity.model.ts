import {
  aggregates,
  type AnyAggregate,
  type Command,
  type EventDraft,
  type Json,
  type LedgerEvent,
  type PartitionModel,
} from '@writ/ledger/domain';
import { actionAggregate } from '@writ/enforcement';
import { grant } from './grant/grant.js';
import { agent, operator, person } from './principal/principal.js';
import { revocation } from './revocation/revocation.js';
import type { RevocationEvent } from './revocation/revocation.events.js';
import { signingKeys } from './signing/signing-key.js';
import { tenant } from './tenant/tenant.js';
import { token } from './token/token.js';

const list = [
  tenant,
  agent,
  person,
  operator,
  grant,
  revocation,
  token,
  signingKeys,
  actionAggregate,
] as unknown as AnyAggregate[];

/** `revocations`: how many there were, including what is being committed. */
export type IdentityModel = PartitionModel & { revocations(): number };

/**
 * The state of identity's one partition: its aggregates, and the number of revocations so far. That number (the epoch)
 * runs over all tenants, which no decider can see, so the partition writes it into the draft.
 */
export function identityModel(): IdentityModel {
  const inner = aggregates(list)();
  let epoch = 0;
  return {
    version: inner.version,
    revocations: () => epoch,
    decide(command: Command): readonly EventDraft[] {
      let next = epoch;
      return inner.decide(command).map((draft) => {
        if (draft.type !== 'revocation.issued.v1') return draft;
        return { ...draft, data: { ...(draft as RevocationEvent).data, epoch: ++next } };
      });
    },
    evolve(event: LedgerEvent, at): void {
      if (event.type === 'revocation.issued.v1') epoch = (event.data as { epoch: number }).epoch;
      inner.evolve(event, at);
    },
    snapshot: (): Json => ({ epoch, states: inner.snapshot() }),
    restore(snapshot: Json): void {
      const { epoch: count, states } = snapshot as { epoch: number; states: Json };
      epoch = count;
      inner.restore(states);
    },
  };
}
