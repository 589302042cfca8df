import { Module, type DynamicModule } from '@nestjs/common';
import { BudgetApi } from './api/budget.api.js';
import { RetentionApi } from './retention/retention.api.js';
import { BatchApi } from './batch/batch.api.js';
import { RunApi } from './api/run.api.js';
import { RunStreamApi } from './stream/run-stream.api.js';
import { SCHEDULER, SCHEDULER_CONFIG, WORKER_STREAMS } from './api/tokens.js';
import { WorkerApi } from './api/worker.api.js';
import type { SchedulerConfig } from './config.js';
import { QueueApi } from './queue/queue.api.js';
import { RampApi } from './ramp/ramp.api.js';
import { WhyApi } from './why/why.api.js';
import { ScheduleApi } from './schedule/schedule.api.js';
import type { Scheduler } from './scheduler.js';
import type { WorkerStreams } from './worker/worker-streams.js';

/** What the service is made of. */
@Module({})
export class SchedulerModule {
  static with(scheduler: Scheduler, streams: WorkerStreams, config: SchedulerConfig): DynamicModule {
    return {
      module: SchedulerModule,
      providers: [
        { provide: SCHEDULER, useValue: scheduler },
        { provide: WORKER_STREAMS, useValue: streams },
        { provide: SCHEDULER_CONFIG, useValue: config },
        BudgetApi,
        BatchApi,
        RetentionApi,
        RunApi,
        RunStreamApi,
        QueueApi,
        RampApi,
        WhyApi,
        ScheduleApi,
        WorkerApi,
      ],
    };
  }
}
