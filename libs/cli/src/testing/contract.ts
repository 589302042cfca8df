import { fromJson, type DescMethod, type DescService, type JsonValue } from '@bufbuild/protobuf';
import { AuditService } from '@writ/proto/audit/v1/audit';
import { EventService } from '@writ/proto/event/v1/event';
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
import type { Route } from '../api/route.js';
import { routes } from '../api/routes.js';

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

/** The method of the contract with this name: `writ.run.v1.RunService.StartRun`. */
export function methodOf(name: string): DescMethod {
  const methods = services.flatMap(({ typeName, methods }) =>
    methods.map((each) => ({ each, name: `${typeName}.${each.name}` })),
  );
  const found = methods.find((known) => known.name === name);
  if (!found) throw new Error(`the contract has no ${name}`);
  return found.each;
}

const known = (Object.values(routes) as Route[]).map(({ name, verb, path }) => ({
  name,
  verb,
  path: new RegExp(`^${path.replace(/\{\w+\}/g, '[^/:]+')}$`),
}));

/** What a server would say about a body that is no request of its method. */
export function malformed(verb: string, path: string, body: unknown): string | undefined {
  const route = known.find((each) => each.verb === verb && each.path.test(path));
  if (!route || body === undefined) return undefined;
  try {
    fromJson(methodOf(route.name).input, body as JsonValue);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
