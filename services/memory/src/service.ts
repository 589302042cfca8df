import { actionAggregate, actionErrors, approvalErrors } from '@writ/enforcement';
import { aggregates } from '@writ/ledger/domain';
import { startService, type RunningService } from '@writ/platform';
import { parseConfig } from './config.js';
import { memoryAggregate } from './memory/memory.js';
import { memoryErrors } from './memory/memory.errors.js';
import { memoryView } from './memory/memory.view.js';
import { MemoryModule } from './memory.module.js';
import { Memory0001 } from './migrations/0001-memory.js';

/** Starts the memory service. */
export function start(env: Record<string, string | undefined>): Promise<RunningService> {
  return startService({
    name: 'memory',
    config: parseConfig(env),
    entities: [],
    migrations: [Memory0001],
    errors: [memoryErrors, actionErrors, approvalErrors],
    enforcement: 'follow',
    host: () => ({ model: aggregates([memoryAggregate, actionAggregate]), projections: [memoryView] }),
    module: () => MemoryModule,
  });
}
