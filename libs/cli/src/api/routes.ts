import type { AuditService } from '@writ/proto/audit/v1/audit';
import type { EventService } from '@writ/proto/event/v1/event';
import type { IdentityService } from '@writ/proto/identity/v1/identity';
import type { MemoryService } from '@writ/proto/memory/v1/memory';
import type { ApprovalService, PolicyService } from '@writ/proto/policy/v1/policy';
import type { QueueService } from '@writ/proto/queue/v1/queue';
import type { BatchService } from '@writ/proto/run/v1/batch';
import type { BudgetService } from '@writ/proto/run/v1/budget';
import type { RampService } from '@writ/proto/run/v1/ramp';
import type { RetentionService } from '@writ/proto/run/v1/retention';
import type { RunService } from '@writ/proto/run/v1/run';
import type { RunStreamService } from '@writ/proto/run/v1/stream';
import type { WhyService } from '@writ/proto/run/v1/why';
import type { SandboxService } from '@writ/proto/sandbox/v1/sandbox';
import type { ScheduleService } from '@writ/proto/schedule/v1/schedule';
import type { ToolService } from '@writ/proto/tools/v1/tools';
import { routesOf } from './route.js';

const identity = routesOf<typeof IdentityService>('writ.identity.v1.IdentityService');
const runs = routesOf<typeof RunService>('writ.run.v1.RunService');
const ramps = routesOf<typeof RampService>('writ.run.v1.RampService');
const retention = routesOf<typeof RetentionService>('writ.run.v1.RetentionService');
const batches = routesOf<typeof BatchService>('writ.run.v1.BatchService');
const runStreams = routesOf<typeof RunStreamService>('writ.run.v1.RunStreamService');
const budgets = routesOf<typeof BudgetService>('writ.run.v1.BudgetService');
const schedules = routesOf<typeof ScheduleService>('writ.schedule.v1.ScheduleService');
const queues = routesOf<typeof QueueService>('writ.queue.v1.QueueService');
const whys = routesOf<typeof WhyService>('writ.run.v1.WhyService');
const policies = routesOf<typeof PolicyService>('writ.policy.v1.PolicyService');
const approvals = routesOf<typeof ApprovalService>('writ.policy.v1.ApprovalService');
const audit = routesOf<typeof AuditService>('writ.audit.v1.AuditService');
const events = routesOf<typeof EventService>('writ.event.v1.EventService');
const sandboxes = routesOf<typeof SandboxService>('writ.sandbox.v1.SandboxService');
const memory = routesOf<typeof MemoryService>('writ.memory.v1.MemoryService');
const tools = routesOf<typeof ToolService>('writ.tools.v1.ToolService');

/** Everything that the commands call. */
export const routes = {
  createTenant: identity('createTenant', 'POST', '/v1/tenants'),
  listTenants: identity('listTenants', 'GET', '/v1/tenants'),
  createAgent: identity('createAgent', 'POST', '/v1/agents'),
  getAgent: identity('getAgent', 'GET', '/v1/agents/{id}'),
  listAgents: identity('listAgents', 'GET', '/v1/agents'),
  revoke: identity('revoke', 'POST', '/v1/revocations'),
  whoAmI: identity('whoAmI', 'GET', '/v1/whoami'),

  startRun: runs('startRun', 'POST', '/v1/runs'),
  startRuns: runs('startRuns', 'POST', '/v1/runs:start'),
  getRun: runs('getRun', 'GET', '/v1/runs/{id}'),
  listRuns: runs('listRuns', 'GET', '/v1/runs'),
  getRunResult: runs('getRunResult', 'GET', '/v1/runs/{id}:result'),
  readRunResult: runs('readRunResult', 'GET', '/v1/runs/{id}:readResult'),
  readRunValue: runs('readRunValue', 'GET', '/v1/runs/{id}:readValue'),
  queryRun: runs('queryRun', 'POST', '/v1/runs/{id}:query'),
  updateRun: runs('updateRun', 'POST', '/v1/runs/{id}:update'),
  sendMessage: runs('sendMessage', 'POST', '/v1/runs/{id}:send'),
  cancelRun: runs('cancelRun', 'POST', '/v1/runs/{id}:cancel'),
  countRuns: runs('countRuns', 'GET', '/v1/runs:count'),
  deleteRun: runs('deleteRun', 'DELETE', '/v1/runs/{id}'),
  pauseRun: runs('pauseRun', 'POST', '/v1/runs/{id}:pause'),
  resumeRun: runs('resumeRun', 'POST', '/v1/runs/{id}:resume'),
  pinRun: runs('pinRun', 'POST', '/v1/runs/{id}:pin'),
  restartRun: runs('restartRun', 'POST', '/v1/runs/{id}:restart'),
  replayRun: runs('replayRun', 'POST', '/v1/runs/{id}:replay'),
  getRunHistory: runs('getRunHistory', 'GET', '/v1/runs/{id}:history'),
  streamRun: runStreams('streamRun', 'GET', '/v1/runs/{id}:stream'),

  whyRun: whys('whyRun', 'GET', '/v1/runs/{id}:why'),

  setQueue: queues('setQueue', 'PUT', '/v1/queues/{name}'),
  getQueue: queues('getQueue', 'GET', '/v1/queues/{name}'),
  listQueues: queues('listQueues', 'GET', '/v1/queues'),

  setRamp: ramps('setRamp', 'PUT', '/v1/ramps/{workflow}'),
  getRamp: ramps('getRamp', 'GET', '/v1/ramps/{workflow}'),
  listRamps: ramps('listRamps', 'GET', '/v1/ramps'),
  endRamp: ramps('endRamp', 'DELETE', '/v1/ramps/{workflow}'),

  createBatch: batches('createBatch', 'POST', '/v1/batches'),
  getBatch: batches('getBatch', 'GET', '/v1/batches/{id}'),
  listBatches: batches('listBatches', 'GET', '/v1/batches'),
  stopBatch: batches('stopBatch', 'POST', '/v1/batches/{id}:stop'),

  addBudget: budgets('addBudget', 'POST', '/v1/runs/{id}/budget:add'),

  getRetention: retention('getRetention', 'GET', '/v1/retention'),
  setRetention: retention('setRetention', 'PUT', '/v1/retention'),

  createSchedule: schedules('createSchedule', 'POST', '/v1/schedules'),
  getSchedule: schedules('getSchedule', 'GET', '/v1/schedules/{id}'),
  listSchedules: schedules('listSchedules', 'GET', '/v1/schedules'),
  updateSchedule: schedules('updateSchedule', 'PUT', '/v1/schedules/{id}'),
  pauseSchedule: schedules('pauseSchedule', 'POST', '/v1/schedules/{id}:pause'),
  resumeSchedule: schedules('resumeSchedule', 'POST', '/v1/schedules/{id}:resume'),
  triggerSchedule: schedules('triggerSchedule', 'POST', '/v1/schedules/{id}:trigger'),
  backfillSchedule: schedules('backfillSchedule', 'POST', '/v1/schedules/{id}:backfill'),
  deleteSchedule: schedules('deleteSchedule', 'DELETE', '/v1/schedules/{id}'),

  pushPolicySet: policies('pushPolicySet', 'PUT', '/v1/policies'),
  getPolicySet: policies('getPolicySet', 'GET', '/v1/policies'),
  checkDecision: policies('checkDecision', 'POST', '/v1/policies:check'),
  listApprovals: approvals('listApprovals', 'GET', '/v1/approvals'),
  getApproval: approvals('getApproval', 'GET', '/v1/approvals/{id}'),
  decideApproval: approvals('decideApproval', 'POST', '/v1/approvals/{id}:decide'),

  delegateApproval: approvals('delegateApproval', 'POST', '/v1/approvals/{id}:delegate'),

  searchEvents: audit('searchEvents', 'GET', '/v1/audit/events'),
  getAuditEvent: audit('getAuditEvent', 'GET', '/v1/audit/events/{id}'),
  getCheckpoint: audit('getCheckpoint', 'GET', '/v1/audit/checkpoint', { public: true }),
  getConsistencyProof: audit('getConsistencyProof', 'GET', '/v1/audit/consistency', { public: true }),
  exportBundle: audit('exportBundle', 'GET', '/v1/audit/bundle'),
  checkIntegrity: audit('checkIntegrity', 'POST', '/v1/audit/integrity:check'),
  watchEvents: events('watchEvents', 'GET', '/v1/events'),

  listSandboxes: sandboxes('listSandboxes', 'GET', '/v1/sandboxes'),
  exec: sandboxes('exec', 'POST', '/v1/sandboxes/{id}:exec'),

  recall: memory('recall', 'GET', '/v1/memory:search'),
  listTools: tools('listTools', 'GET', '/v1/tools'),
  callTool: tools('callTool', 'POST', '/v1/tools:call'),
} as const;
