import { expect, test } from '@jest/globals';
import { getOption, type DescService } from '@bufbuild/protobuf';
import { verifies } from '@writ/testkit';
import { AuditService } from '@writ/proto/audit/v1/audit';
import { EventService } from '@writ/proto/event/v1/event';
import { http } from '@writ/proto/google/api/annotations';
import { IdentityService } from '@writ/proto/identity/v1/identity';
import { MemoryService } from '@writ/proto/memory/v1/memory';
import { ApprovalService, PolicyService } from '@writ/proto/policy/v1/policy';
import { QueueService } from '@writ/proto/queue/v1/queue';
import { BatchService } from '@writ/proto/run/v1/batch';
import { RampService } from '@writ/proto/run/v1/ramp';
import { RetentionService } from '@writ/proto/run/v1/retention';
import { BudgetService } from '@writ/proto/run/v1/budget';
import { RunService } from '@writ/proto/run/v1/run';
import { RunStreamService } from '@writ/proto/run/v1/stream';
import { WhyService } from '@writ/proto/run/v1/why';
import { SandboxService } from '@writ/proto/sandbox/v1/sandbox';
import { ScheduleService } from '@writ/proto/schedule/v1/schedule';
import { ToolService } from '@writ/proto/tools/v1/tools';
import type { Route } from './route.js';
import { routes } from './routes.js';

const services: readonly DescService[] = [
  AuditService,
  EventService,
  IdentityService,
  MemoryService,
  ApprovalService,
  PolicyService,
  QueueService,
  RunService,
  BudgetService,
  BatchService,
  RetentionService,
  RampService,
  WhyService,
  RunStreamService,
  SandboxService,
  ScheduleService,
  ToolService,
];

test.each(Object.entries(routes) as [string, Route][])(
  '%s is where the contract says',
  (_name, { name, verb, path }) => {
    verifies('cli.contract');
    const method = services
      .flatMap(({ typeName, methods }) => methods.map((each) => ({ each, name: `${typeName}.${each.name}` })))
      .find((known) => known.name === name);
    const pattern = getOption(method!.each, http).pattern;
    expect(`${pattern.case?.toUpperCase()} ${pattern.value as string}`).toBe(`${verb} ${path}`);
  },
);
