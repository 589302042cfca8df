import { FakeAuthenticator } from '@writ/api/testing';
import { readConfig, runService, startService } from '@writ/platform';
import { SchedulerConfig } from '../config.js';
import { schedulerService } from '../service.js';

/** A scheduler in a process of its own, which tests kill and pause; it takes fake tokens. */
await runService((env) =>
  startService(schedulerService(readConfig(SchedulerConfig, env), { authenticator: new FakeAuthenticator() })),
);
