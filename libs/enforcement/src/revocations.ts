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

/** The set of what was revoked lately. Pure but for being mutable: fed by events, asked by the authenticator. */
export class RevokedSet {
  private readonly entries = new Map<string, { tenant: string; ended: boolean; atMs: number }>();
  private lastEpoch = 0;

  /** Number of revocations so far: every decision records the one that it used. */
  get epoch(): number {
    return this.lastEpoch;
  }

  get size(): number {
    return this.entries.size;
  }

  /** Takes in one event of identity's ledger. What it revoked, or nothing. */
  apply(event: Pick<LedgerEvent, 'type' | 'tenant' | 'time' | 'data'>): Revoked | undefined {
    const data = event.data as { subject: string; kind: Revoked['kind']; epoch: number; run: string };
    switch (event.type) {
      case 'revocation.issued.v1':
        this.counted(data.epoch);
        return this.add(
          { subject: data.subject, kind: data.kind, tenant: event.tenant, epoch: data.epoch },
          event.time,
        );
      case 'grant.closed.v1':
        return this.add({ subject: data.run, kind: 'ended', tenant: event.tenant, epoch: this.lastEpoch }, event.time);
      default:
        return undefined;
    }
  }

  /** So many revocations there were at least, also those before the first event that this set sees. */
  counted(epoch: number): void {
    this.lastEpoch = Math.max(this.lastEpoch, epoch);
  }

  /** The id that took this token's authority away: its principal, run, own id, tenant, or any that it acts for. */
  refuses(
    token: Pick<VerifiedToken, 'principal' | 'run' | 'id' | 'tenant' | 'act' | 'from'>,
  ): { subject: string; ended: boolean } | undefined {
    if (this.entries.size === 0) return undefined;
    return (
      this.hit(token.principal, token) ??
      this.hit(token.id, token) ??
      (token.run === undefined ? undefined : this.hit(token.run, token)) ??
      this.hit(token.tenant, token) ??
      this.hitAny(token.act, token) ??
      this.hitAny(token.from, token)
    );
  }

  /** Forgets what can concern no living token. */
  prune(nowMs: number): void {
    for (const [subject, { atMs }] of this.entries) if (atMs + rememberedMs < nowMs) this.entries.delete(subject);
  }

  private add(revoked: Revoked, time: string): Revoked {
    const ended = revoked.kind === 'ended';
    const known = this.entries.get(revoked.subject);
    // A run that was revoked and then ended stays revoked.
    if (!known || known.ended)
      this.entries.set(revoked.subject, { tenant: revoked.tenant, ended, atMs: Date.parse(time) });
    return revoked;
  }

  private hitAny(ids: readonly string[], token: { tenant: string }) {
    for (const id of ids) {
      const found = this.hit(id, token);
      if (found) return found;
    }
    return undefined;
  }

  private hit(subject: string, { tenant }: { tenant: string }) {
    const entry = this.entries.get(subject);
    // A revocation reaches only its own tenant: ids of runs and tokens are not checked against anything when they are revoked.
    return entry && entry.tenant === tenant ? { subject, ended: entry.ended } : undefined;
  }
}
