import type { Caller } from '@writ/api';
import type { Revoked } from '@writ/enforcement';
import { refuse } from '@writ/ledger/domain';
import type { Checkout } from '../git/checkouts.js';
import type { IsolatedSandbox } from '../isolation/isolation.js';
import type { SandboxRequested } from './sandbox.events.js';

/** Whose a sandbox is. */
export interface Ownership {
  readonly tenant: string;
  readonly agent: string;
  readonly run?: string;
  /** The runs, agents and people that it was created for, beside these. */
  readonly chain: readonly string[];
}

/** A sandbox of this process, from the moment it was requested. */
export interface LiveSandbox extends Ownership {
  readonly id: string;
  readonly requested: SandboxRequested;
  readonly created: Date;
  /** Not there yet while it starts. */
  isolated?: IsolatedSandbox;
  checkout?: Checkout;
  expiry?: NodeJS.Timeout;
  /** It has been asked to stop; nothing new begins in it. */
  stopping?: Promise<string>;
}

/** The sandboxes that run in this process. */
export class LiveSandboxes {
  private readonly all = new Map<string, LiveSandbox>();

  add(sandbox: LiveSandbox): void {
    this.all.set(sandbox.id, sandbox);
  }
  remove(id: string): void {
    this.all.delete(id);
  }
  get size(): number {
    return this.all.size;
  }
  values(): LiveSandbox[] {
    return [...this.all.values()];
  }

  /** One of the caller's tenant, whoever in it calls. */
  find(tenant: string, id: string): LiveSandbox | undefined {
    const found = this.all.get(id);
    return found?.tenant === tenant ? found : undefined;
  }

  /** Those whose authority a revocation takes away. Ids of runs are chosen by clients: another tenant may have the same. */
  revokedBy(revoked: Pick<Revoked, 'tenant' | 'subject'>): LiveSandbox[] {
    const { subject } = revoked;
    return this.values().filter(
      ({ tenant, agent, run, chain }) =>
        tenant === revoked.tenant &&
        (subject === agent || subject === run || subject === tenant || chain.includes(subject)),
    );
  }
}

/**
 * An agent uses the sandboxes of its own run and of those above it; people, operators and services those of their tenant.
 * Throws `sandbox.not_yours`.
 */
export function assertYours(
  sandbox: Pick<Ownership, 'agent'> & { run?: string | null },
  caller: Caller,
  id: string,
): void {
  if (caller.kind !== 'agent') return;
  const acting = [caller.principal, caller.run, ...(caller.actor.onBehalfOf ?? [])];
  const owner = sandbox.run ?? undefined;
  // An agent with its own token, outside of any run, stands above all its runs.
  const yours =
    owner === undefined || caller.run === undefined ? acting.includes(sandbox.agent) : acting.includes(owner);
  if (!yours) throw refuse('sandbox.not_yours', `${id} belongs to ${owner ?? sandbox.agent}`, { id });
}
