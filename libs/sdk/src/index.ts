export { workflow, type Messages, type Retry, type Workflow } from './define/workflow.js';
export { tool, type Tool } from './define/tool.js';
export type { Answers, HandleOptions } from './define/answers.js';
export type { Duration } from './define/duration.js';
export type { Amount, Limits, Spending } from './define/limits.js';
export type { DescribedSchema, In, Out, Schema, Violation } from './define/schema.js';
export type {
  Answer,
  CallOptions,
  Capabilities,
  Context,
  Escalation,
  Logger,
  Question,
  StepContext,
  Kept,
  LoopOptions,
  StepOptions,
  Turned,
} from './define/context.js';
export type { Stored } from './codec/stored.js';
export type { CancelReceipt, Capability, ReplayReport, Run, RunDelta, StartOptions } from './client/run.js';
export type { EventFilter, RevokeReceipt, ServeOptions, Worker, Writ } from './client/writ.js';
export type { Scheduled, ScheduleOptions } from './client/schedule.js';
export type { Attributes, AttributeChanges } from './define/attributes.js';
export type { Batch, BatchReport, Runs, RunsQuery, RunSummary } from './client/runs.js';
export type { LedgerEvent } from './client/event.js';
export type {
  Exec,
  ExecOptions,
  ExecOutput,
  ExecResult,
  Sandbox,
  SandboxFs,
  SandboxOptions,
} from './sandbox/sandbox.js';
export { connect, type ConnectOptions } from './client/connect.js';
export { verify, type Verified } from './proof/verify.js';
export {
  CancelledError,
  DeniedError,
  FatalError,
  RetryError,
  TimeoutError,
  WritError,
  type Decision,
  type WritErrorOptions,
} from './errors/errors.js';
