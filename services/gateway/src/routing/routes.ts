import type { DescService } from '@bufbuild/protobuf';
import { AuditService } from '@writ/proto/audit/v1/audit';
import { EventService } from '@writ/proto/event/v1/event';
import { IdentityService } from '@writ/proto/identity/v1/identity';
import { MemoryService } from '@writ/proto/memory/v1/memory';
import { ApprovalService, PolicyService } from '@writ/proto/policy/v1/policy';
import { BudgetService } from '@writ/proto/run/v1/budget';
import { QueueService } from '@writ/proto/queue/v1/queue';
import { BatchService } from '@writ/proto/run/v1/batch';
import { RampService } from '@writ/proto/run/v1/ramp';
import { RetentionService } from '@writ/proto/run/v1/retention';
import { RunService } from '@writ/proto/run/v1/run';
import { WhyService } from '@writ/proto/run/v1/why';
import { RunStreamService } from '@writ/proto/run/v1/stream';
import { ArtifactService, SandboxService } from '@writ/proto/sandbox/v1/sandbox';
import { ScheduleService } from '@writ/proto/schedule/v1/schedule';
import { ToolService } from '@writ/proto/tools/v1/tools';
import { WorkerService } from '@writ/proto/worker/v1/worker';
import { readContract } from '@writ/api';
import type { ServiceName } from '@writ/ledger/domain';

/** Which service implements which part of the contract. `gateway` is this one. */
export const implementedBy: readonly (readonly [DescService, ServiceName | 'gateway'])[] = [
  [IdentityService, 'identity'],
  [PolicyService, 'policy'],
  [ApprovalService, 'policy'],
  [RunService, 'scheduler'],
  [RunStreamService, 'scheduler'],
  [BatchService, 'scheduler'],
  [RetentionService, 'scheduler'],
  [BudgetService, 'scheduler'],
  [ScheduleService, 'scheduler'],
  [QueueService, 'scheduler'],
  [RampService, 'scheduler'],
  [WhyService, 'scheduler'],
  [WorkerService, 'scheduler'],
  [SandboxService, 'sandbox-runner'],
  [ArtifactService, 'sandbox-runner'],
  [MemoryService, 'memory'],
  [ToolService, 'tools'],
  [AuditService, 'audit'],
  [EventService, 'gateway'],
];

/** The services behind the gateway, each once. */
export const servicesBehind: readonly ServiceName[] = [
  ...new Set(implementedBy.flatMap(([, service]) => (service === 'gateway' ? [] : [service]))),
];

/** Paths that are not of the contract: protocols with an own shape. */
const protocols: readonly (readonly [string, ServiceName])[] = [
  ['/oauth', 'identity'],
  ['/.well-known/oauth-authorization-server', 'identity'],
  ['/.well-known/openid-configuration', 'identity'],
  ['/mcp', 'tools'],
  ['/.well-known/oauth-protected-resource', 'tools'],
  ['/git', 'sandbox-runner'],
  ['/v1/stream', 'scheduler'],
  ['/tile', 'audit'],
  ['/checkpoint', 'audit'],
];

/** Path prefix to service, longest first. A prefix ends where a path's first parameter or verb begins. */
export const httpRoutes: readonly (readonly [string, ServiceName])[] = [...contractPrefixes(), ...protocols].sort(
  ([a], [b]) => b.length - a.length,
);

/** The service behind a path, or undefined where the gateway itself answers. `/v1/runs` matches `/v1/runs:x` and `/v1/runs/x`, not `/v1/runsx`. */
export function serviceOfPath(path: string): ServiceName | undefined {
  return httpRoutes.find(([prefix]) => path.startsWith(prefix) && /^(?:$|[/:?])/.test(path.slice(prefix.length)))?.[1];
}

/** The service behind `/writ.run.v1.RunService/StartRun`. */
export function serviceOfGrpc(path: string): ServiceName | 'gateway' | undefined {
  const name = path.split('/')[1];
  return implementedBy.find(([service]) => service.typeName === name)?.[1];
}

const streaming = new Set(
  implementedBy.flatMap(([service]) =>
    service.methods.filter((each) => each.methodKind !== 'unary').map((each) => `/${service.typeName}/${each.name}`),
  ),
);

/** Whether a call to this path may last for ever: a stream of the contract, or of reflection and health. */
export function isStream(path: string): boolean {
  return streaming.has(path) || path.startsWith('/grpc.');
}

function contractPrefixes(): (readonly [string, ServiceName])[] {
  const found = new Map<string, ServiceName>();
  for (const [service, owner] of implementedBy) {
    if (owner === 'gateway') continue;
    for (const method of readContract(service))
      for (const { template } of method.bindings) {
        const literals: string[] = [];
        for (const segment of template.segments) {
          if (segment.kind !== 'literal') break;
          literals.push(segment.text);
        }
        found.set(`/${literals.join('/')}`, owner);
      }
  }
  return [...found];
}
