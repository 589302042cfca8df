import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Readiness } from '../health/health.js';

/** What the process itself tells (memory, event loop, garbage collection): once, however many services it runs. */
let processRegistry: Registry | undefined;

/**
 * Prometheus metrics of one service. Labels come from the code (a method, a state, a partition), never from users: no tenant,
 * no run, no name that somebody chose. All of them stand in `infra/design/metrics.md`.
 */
export class Metrics {
  readonly registry = new Registry();
  private readonly calls: Histogram<'method' | 'transport' | 'code'>;

  constructor(service: string) {
    this.registry.setDefaultLabels({ service });
    this.calls = new Histogram({
      name: 'writ_api_call_duration_seconds',
      help: 'Calls of the API by method, transport and outcome; a stream counts when it ends.',
      labelNames: ['method', 'transport', 'code'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30],
      registers: [this.registry],
    });
    if (!processRegistry) {
      processRegistry = new Registry();
      // A sample each 10 ms, as is its default, wakes an idle process a hundred times a second.
      collectDefaultMetrics({ register: processRegistry, eventLoopMonitoringPrecision: 100 });
    }
  }

  called(method: string, transport: string, code: string, seconds: number): void {
    this.calls.observe({ method, transport, code }, seconds);
  }

  counter<L extends string = never>(name: string, help: string, labelNames: readonly L[] = []): Counter<L> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  /** A figure that is read at each scrape; absent while there is none. */
  gauge(name: string, help: string, read: () => number | undefined): void {
    this.gauges(name, help, [], () => {
      const value = read();
      return value === undefined ? [] : [[{}, value]];
    });
  }

  /** The same by labels. */
  gauges<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    read: () => Iterable<readonly [Partial<Record<L, string>>, number]>,
  ): void {
    new Gauge({
      name,
      help,
      labelNames,
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [labels, value] of read()) this.set(labels as Record<L, string>, value);
      },
    });
  }

  /** Whether the service can do its work, and what it stands on, as `/health/ready` tells it. */
  watchHealth(read: () => Promise<Readiness>): void {
    new Gauge({
      name: 'writ_ready',
      help: '1 while the service can do its work.',
      registers: [this.registry],
      async collect() {
        this.set(Number((await read()).ready));
      },
    });
    new Gauge({
      name: 'writ_dependency_up',
      help: 'What the service stands on: broker, postgres, partitions, enforcement.',
      labelNames: ['dependency'],
      registers: [this.registry],
      async collect() {
        const health = await read();
        this.set({ dependency: 'broker' }, Number(health.nats.ok));
        this.set({ dependency: 'postgres' }, Number(health.postgres.ok));
        if (health.ownership) this.set({ dependency: 'partitions' }, Number(health.ownership.ok));
        if (health.enforcement) this.set({ dependency: 'enforcement' }, Number(health.enforcement.ok));
      },
    });
  }

  watchDurability(mode: 'fsync' | 'flush'): void {
    this.gauges('writ_ledger_durability', 'What a committed change survives: fsync or flush.', ['mode'], () => [
      [{ mode }, 1],
    ]);
  }

  /** How long ago something was heard from identity. */
  watchRevocations(ageMs: () => number): void {
    this.gauge(
      'writ_revocation_age_seconds',
      'Time since the revocation feed was last known to be complete; above 2 s everything is refused.',
      () => ageMs() / 1000,
    );
  }

  /** The text of `/metrics`. */
  async text(): Promise<{ contentType: string; body: string }> {
    const parts = [await this.registry.metrics(), await (processRegistry as Registry).metrics()];
    return { contentType: this.registry.contentType, body: parts.join('\n') };
  }
}
