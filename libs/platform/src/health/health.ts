import type { Enforcement } from '@writ/enforcement';
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
  /**
   * Absent where the service follows neither identity nor policy. `ok: false`: it refuses everything, because it has heard
   * nothing from identity for two seconds (`null`: never), or because policy's ledger has not been read yet.
   */
  enforcement?: { ok: boolean; revocationAgeMs: number | null; policyPosition: string };
  /** What the service itself adds. */
  checks: Record<string, { ok: boolean; detail?: string }>;
  /** What it tells beside; decides nothing. */
  [told: string]: unknown;
}

export interface HealthOptions {
  service: string;
  replica: string;
  ledger: Ledger;
  dataSource: DataSource;
  host?: Host;
  enforcement?: Enforcement['health'];
  draining: () => boolean;
}

const PATIENCE_MS = 1000;

/** Asks what the service stands on; asks again at most twice a second, however often it is read. */
export class Health {
  private readonly checks = new Map<string, () => { ok: boolean; detail?: string }>();
  private readonly facts: (() => object)[] = [];
  private last: { at: number; answer: Promise<Readiness> } | undefined;

  constructor(private readonly options: HealthOptions) {}

  /** Adds a condition of the service's own. */
  require(name: string, check: () => { ok: boolean; detail?: string }): void {
    this.checks.set(name, check);
  }

  /** Adds what is told and decides nothing. */
  tell(fact: () => object): void {
    this.facts.push(fact);
  }

  read(): Promise<Readiness> {
    const now = performance.now();
    if (this.last && now - this.last.at < 500) return this.last.answer;
    const answer = this.ask();
    this.last = { at: now, answer };
    return answer;
  }

  private async ask(): Promise<Readiness> {
    const { service, replica, ledger } = this.options;
    const [nats, postgres] = await Promise.all([this.askNats(), this.askPostgres()]);
    const draining = this.options.draining();
    const ownership = this.ownership();
    const enforcement = this.enforcement();
    const checks = Object.fromEntries([...this.checks].map(([name, check]) => [name, check()]));
    const conditions = [
      nats,
      postgres,
      ...Object.values(ownership),
      ...Object.values(enforcement),
      ...Object.values(checks),
    ];
    return {
      ready: !draining && conditions.every(({ ok }) => ok),
      service,
      replica,
      draining,
      durability: ledger.server.durability,
      nats,
      postgres,
      ...ownership,
      ...enforcement,
      checks,
      ...(Object.assign({}, ...this.facts.map((fact) => fact())) as object),
    };
  }

  private ownership(): Pick<Readiness, 'ownership'> {
    const health = this.options.host?.health();
    if (!health) return {};
    const owned = health.partitions.every((each) => each.state === 'owned' || each.state === 'idle');
    const parked = health.projections.some((each) => each.parked !== undefined);
    return { ownership: { ok: owned && !parked, ...health } };
  }

  private enforcement(): Pick<Readiness, 'enforcement'> {
    const point = this.options.enforcement;
    if (!point) return {};
    const ageMs = Math.round(point.revocationAgeMs());
    return {
      enforcement: {
        ok: point.ready(),
        revocationAgeMs: Number.isFinite(ageMs) ? ageMs : null,
        policyPosition: point.policyPosition(),
      },
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
