import { FakeAuthenticator, fakeToken, type FakeToken } from '@writ/api/testing';
import { clientOf, GrpcChannel, type GrpcClient } from '@writ/api';
import { Ledger } from '@writ/ledger';
import {
  aggregates,
  refuse,
  type Aggregate,
  type AnyAggregate,
  type Capability,
  type EventDraft,
  type LedgerEvent,
} from '@writ/ledger/domain';
import { readConfig, startService, type RunningService } from '@writ/platform';
import { QueueService } from '@writ/proto/queue/v1/queue';
import { BatchService } from '@writ/proto/run/v1/batch';
import { RampService } from '@writ/proto/run/v1/ramp';
import { RetentionService } from '@writ/proto/run/v1/retention';
import { BudgetService } from '@writ/proto/run/v1/budget';
import { RunService } from '@writ/proto/run/v1/run';
import { RunStreamService } from '@writ/proto/run/v1/stream';
import { WhyService } from '@writ/proto/run/v1/why';
import { ScheduleService } from '@writ/proto/schedule/v1/schedule';
import { startBackends, startProcess, type Backends, type ProjectProcess } from '@writ/testkit';
import { SchedulerConfig } from '../config.js';
import { schedulerService } from '../service.js';
import { TestWorker } from './test-worker.js';
import type { TestWorkflow } from './test-context.js';

/** Identity's part, as far as a scheduler needs it: it refuses what asks for `forbidden`. */
const grant: Aggregate<null, { type: string; details?: Capability[] }, EventDraft> = {
  name: 'grant',
  initial: null,
  events: ['grant.issued.v1', 'grant.closed.v1'],
  decide(command, _state, { subject }) {
    const details = command.details ?? [];
    if (details.some(({ actions }) => actions.includes('forbidden.act')))
      throw refuse('identity.exceeds_parent', 'more than the parent holds');
    return [
      {
        type: command.type === 'issue' ? 'grant.issued.v1' : 'grant.closed.v1',
        data: { run: subject, details: details as [] },
      },
    ];
  },
  evolve: () => null,
};
const approvalEvents: Record<string, string> = { request: 'requested', withdraw: 'withdrawn' };
/** Policy's part: approvals that say what they are told. */
const approval: Aggregate<null, { type: string }, EventDraft> = {
  name: 'approval',
  initial: null,
  events: ['approval.requested.v1', 'approval.decided.v1', 'approval.expired.v1', 'approval.withdrawn.v1'],
  decide: ({ type, ...data }) => [{ type: `approval.${approvalEvents[type] ?? 'decided'}.v1`, data }],
  evolve: () => null,
};

/** Real NATS and PostgreSQL, one or more schedulers, stand-ins for identity and policy. */
export class SchedulerStack implements AsyncDisposable {
  readonly authenticator = new FakeAuthenticator();
  readonly schedulers: RunningService[] = [];
  private readonly workers: TestWorker[] = [];
  private readonly channels: GrpcChannel[] = [];

  private constructor(
    readonly backends: Backends,
    readonly others: Ledger,
  ) {}

  static async start(): Promise<SchedulerStack> {
    const backends = await startBackends();
    const others = await Ledger.connect({ servers: backends.nats.url });
    const model = (aggregate: unknown) => () => aggregates([aggregate as AnyAggregate])();
    await others.host({ service: 'identity', model: model(grant) });
    await others.host({ service: 'policy', model: model(approval) });
    const stack = new SchedulerStack(backends, others);
    await stack.addScheduler();
    return stack;
  }

  /** One more replica. */
  async addScheduler(env: Record<string, string> = {}): Promise<RunningService> {
    const config = readConfig(SchedulerConfig, { ...this.environment, ...env });
    const service = await startService(schedulerService(config, { authenticator: this.authenticator }));
    this.schedulers.push(service);
    return service;
  }

  /** One more replica, in a process of its own. It stands among the schedulers like the others. */
  async addProcess(env: Record<string, string> = {}): Promise<ProjectProcess> {
    const process = startProcess('services/scheduler/src/testing/scheduler-process.ts', {
      env: { ...this.environment, ...env },
    });
    const [, line = ''] = await process.line(/^(\{"ready".*)$/, 30_000);
    const { ready } = JSON.parse(line) as { ready: Omit<RunningService, 'stop'> };
    this.schedulers.push({ ...ready, stop: () => process.kill() });
    return process;
  }

  private get environment(): Record<string, string> {
    return {
      WRIT_NATS_URL: this.backends.nats.url,
      WRIT_POSTGRES_URL: this.backends.postgresUrl,
      WRIT_ISSUER: 'http://127.0.0.1:1',
      WRIT_LOG_LEVEL: process.env['WRIT_TEST_LOG'] ?? 'error',
      WRIT_GRACE_MS: '500',
      WRIT_CANCEL_GRACE_MS: '3000',
      WRIT_RETENTION_SWEEP_MS: '500',
    };
  }

  worker(
    workflows: Record<string, TestWorkflow>,
    more: {
      token?: FakeToken;
      queue?: string;
      concurrency?: number;
      version?: string;
      messages?: string[];
      at?: number;
    } = {},
  ): TestWorker {
    const { token = {}, at = 0, ...rest } = more;
    const worker = new TestWorker({ address: this.address(at), token: fakeToken(token), workflows, ...rest });
    this.workers.push(worker);
    return worker;
  }

  runs(token: FakeToken = {}, at = 0): GrpcClient<typeof RunService> {
    const channel = new GrpcChannel(this.address(at), { metadata: () => ({ authorization: fakeToken(token) }) });
    this.channels.push(channel);
    return clientOf(RunService, channel);
  }

  why(token: FakeToken = {}, at = 0): GrpcClient<typeof WhyService> {
    const channel = new GrpcChannel(this.address(at), { metadata: () => ({ authorization: fakeToken(token) }) });
    this.channels.push(channel);
    return clientOf(WhyService, channel);
  }

  ramps(token: FakeToken = {}, at = 0): GrpcClient<typeof RampService> {
    const channel = new GrpcChannel(this.address(at), { metadata: () => ({ authorization: fakeToken(token) }) });
    this.channels.push(channel);
    return clientOf(RampService, channel);
  }

  queues(token: FakeToken = {}, at = 0): GrpcClient<typeof QueueService> {
    const channel = new GrpcChannel(this.address(at), { metadata: () => ({ authorization: fakeToken(token) }) });
    this.channels.push(channel);
    return clientOf(QueueService, channel);
  }

  batches(token: FakeToken = {}, at = 0): GrpcClient<typeof BatchService> {
    const channel = new GrpcChannel(this.address(at), { metadata: () => ({ authorization: fakeToken(token) }) });
    this.channels.push(channel);
    return clientOf(BatchService, channel);
  }

  budgets(token: FakeToken = {}, at = 0): GrpcClient<typeof BudgetService> {
    const channel = new GrpcChannel(this.address(at), { metadata: () => ({ authorization: fakeToken(token) }) });
    this.channels.push(channel);
    return clientOf(BudgetService, channel);
  }

  retention(token: FakeToken = {}, at = 0): GrpcClient<typeof RetentionService> {
    const channel = new GrpcChannel(this.address(at), { metadata: () => ({ authorization: fakeToken(token) }) });
    this.channels.push(channel);
    return clientOf(RetentionService, channel);
  }

  schedules(token: FakeToken = {}, at = 0): GrpcClient<typeof ScheduleService> {
    const channel = new GrpcChannel(this.address(at), { metadata: () => ({ authorization: fakeToken(token) }) });
    this.channels.push(channel);
    return clientOf(ScheduleService, channel);
  }

  streams(token: FakeToken = {}, at = 0): GrpcClient<typeof RunStreamService> {
    const channel = new GrpcChannel(this.address(at), { metadata: () => ({ authorization: fakeToken(token) }) });
    this.channels.push(channel);
    return clientOf(RunStreamService, channel);
  }

  /** Every event of a run, out of its partition, in order. */
  async events(run: string, tenant = 'tnt_test'): Promise<LedgerEvent[]> {
    return (await this.allEvents()).filter((event) => event.subject === run && event.tenant === tenant);
  }

  /** Everything that schedulers have recorded. */
  async allEvents(): Promise<LedgerEvent[]> {
    const found: LedgerEvent[] = [];
    for (let partition = 0; partition < 16; partition++)
      for await (const { events } of this.others.read('scheduler', partition)) found.push(...events);
    return found;
  }

  /** As a person does, through policy. */
  async decide(approval: string, decision: { verdict: 'approve' | 'deny'; by: string; value?: object }): Promise<void> {
    await this.others.commands('policy').send({
      tenant: 'tnt_test',
      aggregate: 'approval',
      subject: approval,
      command: { type: 'decide', ...decision } as { type: string },
      actor: { principal: decision.by, kind: 'person' },
    });
  }

  async stopWorkers(): Promise<void> {
    for (const worker of this.workers.splice(0)) worker.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopWorkers();
    for (const channel of this.channels) channel.close();
    for (const scheduler of this.schedulers) await scheduler.stop();
    await this.others.drain();
    await this.backends.stop();
  }

  private address(at: number): string {
    const scheduler = this.schedulers[at];
    if (!scheduler) throw new Error(`there is no scheduler ${at}`);
    return scheduler.grpcUrl.replace('http://', '');
  }
}

/** A value as the API takes it. */
export const json = (value: unknown) => ({ data: Buffer.from(JSON.stringify(value)) });
/** A value as the API gives it. */
export const read = (payload: { data: Uint8Array } | undefined): unknown =>
  payload ? JSON.parse(Buffer.from(payload.data).toString()) : undefined;
