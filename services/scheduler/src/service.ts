import type { Authenticator } from '@writ/api';
import { readConfig, startService, type RunningService, type ServiceContext, type ServiceSpec } from '@writ/platform';
import { retentionErrors } from './retention/retention.errors.js';
import { batchErrors } from './batch/batch.errors.js';
import { SchedulerConfig } from './config.js';
import { Scheduler0001 } from './migrations/scheduler-0001.js';
import { Scheduler0002 } from './migrations/scheduler-0002.js';
import { Scheduler0003 } from './migrations/scheduler-0003.js';
import { Scheduler0004 } from './migrations/scheduler-0004.js';
import { Scheduler0005 } from './migrations/scheduler-0005.js';
import { Scheduler0006 } from './migrations/scheduler-0006.js';
import { Scheduler0007 } from './migrations/scheduler-0007.js';
import { queueErrors } from './queue/queue.errors.js';
import { rampErrors } from './ramp/ramp.errors.js';
import { grantErrors, runErrors } from './run/run.errors.js';
import { scheduleErrors } from './schedule/schedule.errors.js';
import { Scheduler } from './scheduler.js';
import { SchedulerModule } from './scheduler.module.js';
import { streamErrors } from './stream/stream.errors.js';
import { mountStreams } from './stream/stream-routes.js';
import { WorkerStreams } from './worker/worker-streams.js';

/** Starts the scheduler with the settings of the environment. */
export function start(env: Record<string, string | undefined>): Promise<RunningService> {
  return startService(schedulerService(readConfig(SchedulerConfig, env)));
}

/** @param enforcement another authenticator is for tests that have no identity service */
export function schedulerService(
  config: SchedulerConfig,
  enforcement: ServiceSpec<SchedulerConfig>['enforcement'] = 'follow',
): ServiceSpec<SchedulerConfig> {
  let scheduler: Scheduler | undefined;
  let streams: WorkerStreams | undefined;
  return {
    name: 'scheduler',
    config,
    entities: [],
    migrations: [
      Scheduler0001,
      Scheduler0002,
      Scheduler0003,
      Scheduler0004,
      Scheduler0005,
      Scheduler0006,
      Scheduler0007,
    ],
    errors: [
      runErrors,
      scheduleErrors,
      batchErrors,
      retentionErrors,
      queueErrors,
      rampErrors,
      streamErrors,
      grantErrors,
    ],
    enforcement,
    host: (context) => (scheduler = new Scheduler(context, enforcement === 'follow')).host(),
    module: (context) => {
      const running = scheduler as Scheduler;
      const { nc } = context.ledger;
      const authenticator = authenticatorOf(context, enforcement);
      const { runs, owners, sessions, values, deltas } = running;
      streams = new WorkerStreams({ nc, runs, owners, sessions, values, deltas, authenticator, log: context.log });
      running.follow(context.enforcement, () => void streams?.recheck());
      return SchedulerModule.with(running, streams, config);
    },
    routes: (context, fastify) =>
      mountStreams(fastify, () => ({
        scheduler: scheduler as Scheduler,
        authenticator: authenticatorOf(context, enforcement),
      })),
    stopping: async () => {
      streams?.stop();
      await scheduler?.stop();
    },
  };
}

function authenticatorOf(
  context: ServiceContext<SchedulerConfig>,
  enforcement: ServiceSpec<SchedulerConfig>['enforcement'],
): Authenticator {
  if (context.enforcement) return context.enforcement.authenticator;
  if (typeof enforcement === 'object') return enforcement.authenticator;
  throw new Error('the scheduler lets nobody in without an authenticator');
}
