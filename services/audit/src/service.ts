import { actionErrors, approvalErrors } from '@writ/enforcement';
import { startService, type Metrics, type RunningService, type ServiceContext } from '@writ/platform';
import { auditErrors } from './audit.errors.js';
import { AuditModule } from './audit.module.js';
import { Checkpoints } from './checkpoint/checkpoints.js';
import { keyOf } from './checkpoint/key-file.js';
import { parseConfig, type Config } from './config.js';
import { IntegrityChecker } from './integrity/checker.js';
import { IntegrityWatch } from './integrity/watch.js';
import { Audit0001 } from './migrations/0001-audit.js';
import { Audit0002 } from './migrations/0002-audit.js';
import { RecordKeeper } from './record/keeper.js';
import { RecordModel } from './record/record-model.js';
import { auditIndex } from './search/index.view.js';
import { serveTiles } from './tree/tile-routes.js';
import { DiskTileStore } from './tree/tile-store.js';

/** Starts the audit service. */
export async function start(env: Record<string, string | undefined>): Promise<RunningService> {
  const config = parseConfig(env);
  const tiles = new DiskTileStore(config.folder);
  const checkpoints = new Checkpoints(await keyOf(config.folder, config.WRIT_AUDIT_ORIGIN), tiles);
  let keeper: RecordKeeper | undefined;
  let watch: IntegrityWatch | undefined;
  return startService({
    name: 'audit',
    config: config as Config,
    entities: [],
    migrations: [Audit0001, Audit0002],
    errors: [auditErrors, actionErrors, approvalErrors],
    enforcement: 'follow',
    host: ({ ledger, log, metrics }: ServiceContext<Config>) => {
      keeper = new RecordKeeper({ ledger, tiles, checkpoints, log });
      watchRecord(metrics, keeper, checkpoints);
      return {
        model: () => new RecordModel(),
        projections: [auditIndex(ledger, keeper.sealed)],
        onOwned: (_partition, handle) => keeper?.owned(handle),
        onLost: () => keeper?.lost(),
      };
    },
    module: () => AuditModule.with(checkpoints),
    routes: (_context, fastify) => serveTiles(fastify, tiles),
    after: ({ log, metrics, health }, app) => {
      watch = new IntegrityWatch(app.get(IntegrityChecker), log);
      watch.measure(metrics);
      health.tell(() => watch?.tell() ?? {});
      watch.start(config.WRIT_AUDIT_CHECK_MINUTES * 60_000);
    },
    stopping: async () => {
      await watch?.stop();
      await keeper?.stop();
    },
  });
}

function watchRecord(metrics: Metrics, keeper: RecordKeeper, checkpoints: Checkpoints): void {
  metrics.gauge('writ_audit_lag_seconds', 'How long the oldest commit has waited to be sealed into the record.', () => {
    const { lagMs } = keeper;
    return lagMs === undefined ? undefined : lagMs / 1000;
  });
  metrics.gauge('writ_audit_leaves', 'Leaves of the newest checkpoint.', () => checkpoints.latest()?.checkpoint.size);
  metrics.gauge('writ_audit_broken', '1 where the record is broken, so that nothing is signed any more.', () =>
    Number(checkpoints.broken !== undefined),
  );
}
