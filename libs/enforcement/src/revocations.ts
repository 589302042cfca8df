import type { LedgerEvent } from '@writ/ledger/domain';
import type { VerifiedToken } from './tokens.js';

/** Authority that was taken away, as listeners hear of it. */
export interface Revoked {
  /** `agt_…`, `psn_…`, `run_…`, `tok_…` or `tnt_…`. */
  subject: string;
  /** `ended`: the run is over, and its grant with it. */
  kind: 'agent' | 'person' | 'run' | 'token' | 'tenant' | 'ended';
  tenant: string;
  /** Running number of revocations; an ended run does not count. */
  epoch: number;
}

/**
 * No token lives longer (identity refuses to be configured otherwise), and none is issued after a revocation, so what
 * happened before that can concern no token any more. With room for clocks that disagree.
 */
export const rememberedMs = 15 * 60_000;

/** The set of what was revoked lately: when, by tenant and subject. Mutable, but free of I/O: fed by events, asked by the authenticator. */
export class RevokedSet {
  private readonly revoked = new Map<string, number>();
  private readonly ended = new Map<string, number>();
  private lastEpoch = 0;

  /** Number of revocations so far: every decision records the one that it used. */
  get epoch(): number {
    return this.lastEpoch;
  }

  get size(): number {
    return this.revoked.size + this.ended.size;
  }

  /** Takes in one event of identity's ledger. What it revoked, or nothing. */
  apply({ type, tenant, time, data }: Pick<LedgerEvent, 'type' | 'tenant' | 'time' | 'data'>): Revoked | undefined {
    const { subject, kind, epoch, run } = data as {
      subject: string;
      kind: Revoked['kind'];
      epoch: number;
      run: string;
    };
    switch (type) {
      case 'revocation.issued.v1':
        this.counted(epoch);
        this.revoked.set(keyOf(tenant, subject), Date.parse(time));
        return { subject, kind, tenant, epoch };
      case 'grant.closed.v1':
        this.ended.set(keyOf(tenant, run), Date.parse(time));
        return { subject: run, kind: 'ended', tenant, epoch: this.lastEpoch };
      default:
        return undefined;
    }
  }

  /** So many revocations there were at least, also those before the first event that this set sees. */
  counted(epoch: number): void {
    this.lastEpoch = Math.max(this.lastEpoch, epoch);
  }

  /** The id that took this token's authority away: its principal, run, own id, tenant, or any that it acts for. */
  refuses({ principal, id, run, tenant, act, from }: Rested): { subject: string; ended: boolean } | undefined {
    if (this.size === 0) return undefined;
    const hit = (subject: string) => this.revoked.has(keyOf(tenant, subject));
    const lost = [principal, id, tenant].find(hit) ?? act.find(hit) ?? from.find(hit);
    if (lost !== undefined) return { subject: lost, ended: false };
    if (run === undefined) return undefined;
    if (hit(run)) return { subject: run, ended: false };
    // Only its own run: a run may outlive the one that started it.
    return this.ended.has(keyOf(tenant, run)) ? { subject: run, ended: true } : undefined;
  }

  /** Forgets what can concern no living token. */
  prune(nowMs: number): void {
    for (const entries of [this.revoked, this.ended])
      for (const [key, atMs] of entries) if (atMs + rememberedMs < nowMs) entries.delete(key);
  }
}

/**
 * A revocation reaches only its own tenant, and hides none of another: ids of runs and tokens are not checked against
 * anything when they are revoked.
 */
function keyOf(tenant: string, subject: string): string {
  return `${tenant}/${subject}`;
}

/** What a token rests on. */
type Rested = Pick<VerifiedToken, 'principal' | 'run' | 'id' | 'tenant' | 'act' | 'from'>;
