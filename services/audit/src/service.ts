import { actionErrors, approvalErrors } from '@writ/enforcement';
import { startService, type RunningService, type ServiceContext } from '@writ/platform';
import { auditErrors } from './audit.errors.js';
import { AuditModule } from './audit.module.js';
import { Checkpoints } from './checkpoint/checkpoints.js';
import { keyOf } from './checkpoint/key-file.js';
import { parseConfig, type Config } from './config.js';
import { Audit0001 } from './migrations/0001-audit.js';
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
  return startService({
    name: 'audit',
    config: config as Config,
    entities: [],
    migrations: [Audit0001],
    errors: [auditErrors, actionErrors, approvalErrors],
    enforcement: 'follow',
    host: ({ ledger, log }: ServiceContext<Config>) => {
      keeper = new RecordKeeper({ ledger, tiles, checkpoints, log });
      return {
        model: () => new RecordModel(),
        projections: [auditIndex(ledger)],
        onOwned: (_partition, handle) => keeper?.owned(handle),
        onLost: () => keeper?.lost(),
      };
    },
    module: () => AuditModule.with(checkpoints),
    routes: (_context, fastify) => serveTiles(fastify, tiles),
    stopping: () => keeper?.stop(),
  });
}
