import { registerErrors, registerTranslation } from '@writ/api';
import { Blobs } from '@writ/blobs';
import { Enforcement } from '@writ/enforcement';
import { Ledger } from '@writ/ledger';
import { newId, type ServiceName } from '@writ/ledger/domain';
import type { Logger } from 'pino';
import type { BaseConfig } from '../config/config.js';
import { announce } from '../discovery/announce.js';
import { Health } from '../health/health.js';
import { openLog } from '../log/log.js';
import { outboundErrors } from '../outbound/outbound.errors.js';
import { outage } from '../postgres/outage.js';
import { openPostgres } from '../postgres/postgres.js';
import { overAllTenants } from '../postgres/tenant-scope.js';
import { countCommits, watchHost } from '../telemetry/ledger-metrics.js';
import { Metrics } from '../telemetry/metrics.js';
import { callObserver, openTraces, workObserver, type Traces } from '../telemetry/traces.js';
import { startApplication } from './application.js';
import type { RunningService, ServiceContext, ServiceSpec } from './spec.js';

/** While it is being put together; afterwards nobody writes to it. */
type Draft<C extends BaseConfig> = { -readonly [K in keyof ServiceContext<C>]: ServiceContext<C>[K] };

/**
 * Starts a service: log → ledger → Postgres → partitions → enforcement → Nest (HTTP, gRPC, commands) → announcement.
 * It returns when every partition of the service has an owner and all ports listen. Whatever fails on the way, what was
 * opened before is closed again.
 */
export async function startService<C extends BaseConfig>(spec: ServiceSpec<C>): Promise<RunningService> {
  const replica = spec.config.WRIT_REPLICA ?? newId('rep');
  const log = openLog({ service: spec.name, replica }, spec.config.WRIT_LOG_LEVEL);
  const undo = new Undo(log);
  try {
    return await start(spec, replica, log, undo);
  } catch (error) {
    log.error({ err: error }, 'the service did not start');
    await undo.run();
    throw error;
  }
}

async function start<C extends BaseConfig>(
  spec: ServiceSpec<C>,
  replica: string,
  log: Logger,
  undo: Undo,
): Promise<RunningService> {
  const { name, config } = spec;
  registerErrors(outboundErrors, ...spec.errors);
  registerTranslation(outage);
  let draining = false;
  const traces = await openTraces(name, config.WRIT_OTLP_URL);
  undo.add('traces', () => traces[Symbol.asyncDispose]());
  const ledger = await openLedger(name, config, replica, log, traces);
  undo.add('ledger', () => ledger.drain());
  const dataSource = await openPostgres({
    url: config.WRIT_POSTGRES_URL,
    schema: name.replaceAll('-', '_'),
    entities: spec.entities,
    migrations: spec.migrations,
  });
  undo.add('postgres', () => dataSource.destroy());
  const blobs = await Blobs.open(ledger.nc, { replicas: config.WRIT_STREAM_REPLICAS });
  const metrics = new Metrics(name);
  const observer = callObserver(metrics, traces.tracer);
  const draft = { name, replica, config, log, ledger, blobs, dataSource, metrics, observer } as Draft<C>;
  undo.add('service', () => spec.stopping?.(draft));

  const hosted = spec.host?.(draft);
  if (hosted) {
    const projections = hosted.projections?.map(overAllTenants) ?? [];
    draft.host = await ledger.host({ ...countCommits({ ...hosted, projections, dataSource }, metrics), service: name });
  }
  if (draft.host) undo.add('partitions', () => draft.host?.stop());
  if (spec.enforcement === 'follow') draft.enforcement = await openEnforcement(draft, spec.recordsIn ?? name);
  if (draft.enforcement) undo.add('enforcement', () => draft.enforcement?.[Symbol.asyncDispose]());
  draft.health = healthOf(draft, () => draining);
  watch(draft);
  const model = hosted?.model(0).version;

  const { app, httpUrl, grpcUrl } = await startApplication(spec, draft, model);
  undo.add('application', () => app.close());
  await spec.after?.(draft, app);
  const address = { name, replica, httpUrl, grpcUrl };
  const cannot = (error: unknown) => log.warn({ err: error }, 'cannot be announced');
  const announced = await announce(ledger.nc, address, cannot, config.WRIT_STREAM_REPLICAS);
  undo.add('announcement', () => announced.stop());
  undo.add('readiness', () => (draining = true));
  log.info(
    { httpUrl, grpcUrl, durability: ledger.server.durability, nats: ledger.server.version },
    'the service is ready',
  );
  return { ...address, stop: () => undo.run() };
}

function watch<C extends BaseConfig>({ metrics, health, ledger, host, enforcement }: ServiceContext<C>): void {
  metrics.watchHealth(() => health.read());
  metrics.watchDurability(ledger.server.durability);
  if (host) watchHost(host, metrics);
  if (enforcement) metrics.watchRevocations(enforcement.health.revocationAgeMs);
}

function openLedger(
  service: ServiceName,
  config: BaseConfig,
  replica: string,
  log: Logger,
  { tracer }: Traces,
): Promise<Ledger> {
  const { WRIT_NATS_USER: user, WRIT_NATS_PASS: pass } = config;
  return Ledger.connect({
    servers: config.WRIT_NATS_URL,
    ...(user !== undefined && pass !== undefined && { credentials: { user, pass } }),
    service,
    streamReplicas: config.WRIT_STREAM_REPLICAS,
    replica,
    durability: config.WRIT_DURABILITY,
    log,
    observer: tracer && workObserver(tracer),
  });
}

function openEnforcement<C extends BaseConfig>(
  { ledger, config, log }: ServiceContext<C>,
  service: ServiceName,
): Promise<Enforcement> {
  return Enforcement.start({
    ledger,
    issuer: config.WRIT_ISSUER,
    jwksUrl: `${config.WRIT_ISSUER_ADDRESS ?? config.WRIT_ISSUER}/jwks`,
    audience: [config.WRIT_AUDIENCE],
    service,
    log,
  });
}

function healthOf<C extends BaseConfig>(context: ServiceContext<C>, draining: () => boolean): Health {
  const { name: service, replica, ledger, dataSource, host, enforcement } = context;
  return new Health({
    service,
    replica,
    ledger,
    dataSource,
    draining,
    ...(host && { host }),
    ...(enforcement && { enforcement: enforcement.health }),
  });
}

/** What must be closed, the newest first; each once, and the rest also when one fails. */
class Undo {
  private readonly steps: { what: string; close: () => unknown }[] = [];
  private running: Promise<void> | undefined;

  constructor(private readonly log: Logger) {}

  add(what: string, close: () => unknown): void {
    this.steps.push({ what, close });
  }

  run(): Promise<void> {
    return (this.running ??= this.unwind());
  }

  private async unwind(): Promise<void> {
    for (const { what, close } of this.steps.reverse()) {
      const started = performance.now();
      try {
        await close();
        this.log.debug({ what, ms: Math.round(performance.now() - started) }, 'closed');
      } catch (error) {
        this.log.warn({ err: error, what }, 'could not be closed');
      }
    }
  }
}
