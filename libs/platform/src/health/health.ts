import type { Host, HostHealth, Ledger } from '@writ/ledger';
import type { DataSource } from 'typeorm';

/** What `/health/ready` answers. */
export interface Readiness {
  ready: boolean;
  service: string;
  replica: string;
  draining: boolean;
  /** What a committed change survives: `fsync` power loss, `flush` a killed process. */
  durability: 'fsync' | 'flush';
  nats: { ok: boolean; version: string; rttMs?: number; error?: string };
  postgres: { ok: boolean; latencyMs?: number; error?: string };
  /** Absent where the service owns no partitions. */
  ownership?: { ok: boolean } & HostHealth;
  /** Absent where the service lets no agent act. `ok: false`: it refuses everything. */
  revocation?: { ok: boolean; ageMs: number };
  /** What the service itself adds. */
  checks: Record<string, { ok: boolean; detail?: string }>;
}

export interface HealthOptions {
  service: string;
  replica: string;
  ledger: Ledger;
  dataSource: DataSource;
  host?: Host;
  revocationAgeMs?: () => number;
  draining: () => boolean;
}

/** Older than this, an enforcement point trusts nobody. */
const REVOCATION_LIMIT_MS = 2000;
const PATIENCE_MS = 1000;

/** Asks what the service stands on; asks again at most twice a second, however often it is read. */
export class Health {
  private readonly checks = new Map<string, () => { ok: boolean; detail?: string }>();
  private last: { at: number; answer: Promise<Readiness> } | undefined;
  private known = false;

  constructor(private readonly options: HealthOptions) {}

  /** Adds a condition of the service's own. */
  require(name: string, check: () => { ok: boolean; detail?: string }): void {
    this.checks.set(name, check);
  }

  /** The last answer's verdict, without asking. */
  get ready(): boolean {
    return this.known && !this.options.draining();
  }

  read(): Promise<Readiness> {
    const now = performance.now();
    if (this.last && now - this.last.at < 500) return this.last.answer;
    const answer = this.ask();
    this.last = { at: now, answer };
    return answer;
  }

  private async ask(): Promise<Readiness> {
    const { service, replica, ledger, host, revocationAgeMs } = this.options;
    const [nats, postgres] = await Promise.all([this.askNats(), this.askPostgres()]);
    const draining = this.options.draining();
    const health = host?.health();
    const owned = health?.partitions.every((each) => each.state === 'owned' || each.state === 'idle') ?? true;
    const parked = [...(health?.projections ?? [])].some((each) => each.parked !== undefined);
    const ageMs = revocationAgeMs?.();
    const checks = Object.fromEntries([...this.checks].map(([name, check]) => [name, check()]));
    const fresh = ageMs === undefined || ageMs < REVOCATION_LIMIT_MS;
    const ready =
      !draining &&
      nats.ok &&
      postgres.ok &&
      owned &&
      !parked &&
      fresh &&
      Object.values(checks).every((each) => each.ok);
    this.known = ready;
    return {
      ready,
      service,
      replica,
      draining,
      durability: ledger.server.durability,
      nats,
      postgres,
      ...(health && { ownership: { ok: owned && !parked, ...health } }),
      ...(ageMs !== undefined && { revocation: { ok: fresh, ageMs: Math.round(ageMs) } }),
      checks,
    };
  }

  private async askNats(): Promise<Readiness['nats']> {
    const { nc, server } = this.options.ledger;
    const { version } = server;
    try {
      return { ok: true, version, rttMs: await within(nc.rtt()) };
    } catch (error) {
      return { ok: false, version, error: messageOf(error) };
    }
  }

  private async askPostgres(): Promise<Readiness['postgres']> {
    const begun = performance.now();
    try {
      await within(this.options.dataSource.query('SELECT 1'));
      return { ok: true, latencyMs: Math.round((performance.now() - begun) * 10) / 10 };
    } catch (error) {
      return { ok: false, error: messageOf(error) };
    }
  }
}

function within<T>(promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within ${PATIENCE_MS} ms`)), PATIENCE_MS);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
