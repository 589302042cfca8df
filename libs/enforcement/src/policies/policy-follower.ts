import { setTimeout as sleep } from 'node:timers/promises';
import type { Follower, Ledger, Logger } from '@writ/ledger';
import { refuse, type LedgerEvent } from '@writ/ledger/domain';
import type { ArgumentsType } from '../cedar/argument-type.js';
import type { PolicyRequest } from '../cedar/request.js';
import type { Verdict } from '../cedar/verdict.js';
import type { Decided, Policies } from '../pipeline/ports.js';
import { TenantPolicies, withoutPolicies } from './tenant-policies.js';

/** The policies of every tenant, as policy's ledger tells them. A decision costs no message. */
export class PolicyFollower implements Policies, AsyncDisposable {
  private readonly tenants = new Map<string, TenantPolicies>();
  private readonly stopping = new AbortController();
  private follower: Follower | undefined;
  private following: Promise<void> | undefined;
  private caughtUp = false;
  private last = 0;

  /** Returns at once; until policy's ledger has been taken in, every decision is refused. */
  static start(ledger: Pick<Ledger, 'follow'>, log?: Logger): PolicyFollower {
    const policies = new PolicyFollower();
    policies.following = policies.follow(ledger, log);
    return policies;
  }

  apply(event: Pick<LedgerEvent, 'tenant' | 'type' | 'data'>): void {
    if (!event.type.startsWith('policy_set.') && !event.type.startsWith('tool_schema.')) return;
    let tenant = this.tenants.get(event.tenant);
    if (tenant === undefined) this.tenants.set(event.tenant, (tenant = new TenantPolicies()));
    tenant.apply(event);
  }

  decide(tenant: string, request: PolicyRequest): Decided {
    if (!this.caughtUp) throw refuse('policy.unavailable', "policy's ledger is still being read");
    return forOperators(request, this.tenants.get(tenant)?.decide(request) ?? withoutPolicies(request));
  }

  /** The argument types of the tenant's tools by `<server>/<tool>`. */
  tools(tenant: string): ReadonlyMap<string, ArgumentsType> {
    return this.tenants.get(tenant)?.tools ?? new Map();
  }

  /** Content hash of the tenant's active set; empty when there is none. */
  version(tenant: string): string {
    return this.tenants.get(tenant)?.version ?? '';
  }

  /** Whether decisions can be taken. */
  get ready(): boolean {
    return this.caughtUp;
  }

  /** The last commit of `LEDGER_POLICY_00` that has been taken in. */
  get commit(): number {
    return this.last;
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.follower?.stop();
    await this.following;
    for (const tenant of this.tenants.values()) tenant[Symbol.dispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Reads until stopped. After a failure it goes on behind the last commit that it took in, and decides nothing until it has caught up. */
  private async follow(ledger: Pick<Ledger, 'follow'>, log?: Logger): Promise<void> {
    for (let delayMs = 50; !this.stopping.signal.aborted; delayMs = Math.min(delayMs * 2, 1_000)) {
      try {
        const follower = await ledger.follow({
          service: 'policy',
          partition: 0,
          from: this.last,
          onCommit: ({ events, commit }) => {
            for (const event of events) this.apply(event);
            this.last = commit;
            delayMs = 50;
          },
        });
        this.follower = follower;
        if (this.stopping.signal.aborted) return follower.stop();
        // A chain that breaks before the end was reached rejects `closed` and leaves `caughtUp` open.
        await Promise.race([follower.caughtUp, follower.closed]);
        this.caughtUp = true;
        await follower.closed;
      } catch (error) {
        this.caughtUp = false;
        if (this.stopping.signal.aborted) return;
        log?.warn({ err: error, from: this.last }, 'policy cannot be followed; trying again');
        await sleep(delayMs);
      }
    }
  }
}

const OPERATOR: Verdict = {
  outcome: 'allow',
  reasons: [
    { code: 'policy.operator', policy: '', text: 'operators run the installation: no tenant has to permit them' },
  ],
};

/** What a tenant does not permit, an operator may all the same; what it forbids, an operator may not either. */
function forOperators({ principal }: PolicyRequest, decided: Decided): Decided {
  const [reason] = decided.verdict.reasons;
  const silent = reason?.code === 'policy.not_permitted' || reason?.code === 'policy.no_policies';
  if (principal.type !== 'Operator' || decided.verdict.outcome !== 'deny' || !silent) return decided;
  return { ...decided, verdict: OPERATOR, approved: () => OPERATOR };
}
