import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Host } from '@writ/ledger';

/** What the process itself tells (memory, event loop, garbage collection): once, however many services it runs. */
let processRegistry: Registry | undefined;

/** Prometheus metrics of one service. */
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
      collectDefaultMetrics({ register: processRegistry });
    }
  }

  called(method: string, transport: string, code: string, seconds: number): void {
    this.calls.observe({ method, transport, code }, seconds);
  }

  /** Ownership, and how far views and reactors are behind, as of each scrape. */
  watchHost(host: Host): void {
    const registers = [this.registry];
    new Gauge({
      name: 'writ_ledger_partition_commit',
      help: 'Last commit of a partition that this process owns.',
      labelNames: ['partition'],
      registers,
      collect() {
        this.reset();
        for (const { partition, state, commit } of host.health().partitions)
          if (state === 'owned') this.set({ partition: String(partition) }, commit ?? 0);
      },
    });
    new Gauge({
      name: 'writ_ledger_consumer_lag_commits',
      help: 'Commits that a projection or reactor is behind.',
      labelNames: ['kind', 'name', 'partition'],
      registers,
      collect() {
        this.reset();
        const health = host.health();
        for (const kind of ['projections', 'reactors'] as const)
          for (const { name, partition, lag } of health[kind])
            this.set({ kind, name, partition: String(partition) }, lag);
      },
    });
  }

  /** How long ago something was heard from identity. */
  watchRevocations(ageMs: () => number): void {
    new Gauge({
      name: 'writ_revocation_age_seconds',
      help: 'Time since the revocation feed was last known to be complete; above 2 s everything is refused.',
      registers: [this.registry],
      collect() {
        this.set(ageMs() / 1000);
      },
    });
  }

  /** The text of `/metrics`. */
  async text(): Promise<{ contentType: string; body: string }> {
    const parts = [await this.registry.metrics(), await (processRegistry as Registry).metrics()];
    return { contentType: this.registry.contentType, body: parts.join('\n') };
  }
}
