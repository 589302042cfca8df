import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { actionAggregate, type Enforcement } from '@writ/enforcement';
import type { CommandClient, HostSpec, Logger } from '@writ/ledger';
import { aggregates, streamName, type AnyAggregate } from '@writ/ledger/domain';
import type { ServiceContext } from '@writ/platform';
import type { SchedulerConfig } from './config.js';
import { DurableStreams, StreamStore } from '@writ/streams';
import { BatchModel } from './batch/batch-model.js';
import { batchErrors } from './batch/batch.errors.js';
import { BatchPages } from './batch/batch-pages.js';
import { BatchRunners } from './batch/batch-runner.js';
import { BatchesTable, batchesBeside } from './batch/batch.view.js';
import { retention } from './retention/retention.js';
import { retentionErrors } from './retention/retention.errors.js';
import { RetentionSweep } from './retention/retention-sweep.js';
import { RetentionTable, retentionBeside } from './retention/retention.view.js';
import { Turns } from './api/turns.js';
import { Answers } from './outside/answers.js';
import { lostAuthority } from './outside/batch-authority.js';
import { CedarBatchPolicy, everyBatch, type BatchPolicy } from './outside/batch-policy.js';
import { IdentityGrants } from './outside/grants.js';
import { PolicyQuestions } from './outside/questions.js';
import { RevokedRuns } from './outside/revocations.js';
import { CedarStartPolicy, everyStart, onceThere, type StartPolicy } from './outside/start-policy.js';
import { Dispatcher } from './partition/dispatcher.js';
import { LedgerHistory } from './partition/history.js';
import { Owners } from './partition/owners.js';
import { RunLookup } from './run/run-lookup.js';
import { RunModel } from './run/run-model.js';
import { RunStarter } from './run/run-starter.js';
import { runReactor } from './run/run.reactor.js';
import { runErrors } from './run/run.errors.js';
import { ScheduleClocks } from './schedule/schedule-clock.js';
import { scheduleErrors } from './schedule/schedule.errors.js';
import { ScheduleModel } from './schedule/schedule-model.js';
import { SchedulesTable, schedulesBeside } from './schedule/schedule.view.js';
import { deltaSpace, RunDeltas } from './stream/run-deltas.js';
import { streamMetrics } from './stream/stream.metrics.js';
import { keptSpace, streamPath } from './stream/stream-routes.js';
import { Values } from './values/value-store.js';
import { watchRuns } from './scheduler.metrics.js';
import { queueErrors } from './queue/queue.errors.js';
import { QueuesTable, queuesBeside } from './queue/queue.view.js';
import { rampErrors } from './ramp/ramp.errors.js';
import { RampsTable, rampsBeside } from './ramp/ramp.view.js';
import { beside } from './view/beside.js';
import { runsProjection, RunsTable } from './view/runs-table.js';
import { SessionDirectory } from './worker/session-directory.js';

/** Everything of one scheduler process that is not its API: owners, workers' streams, followers. */
export class Scheduler {
  readonly log: Logger;
  readonly runs: CommandClient;
  readonly table: RunsTable;
  readonly schedules: SchedulesTable;
  readonly batches: BatchesTable;
  readonly retention: RetentionTable;
  readonly queues: QueuesTable;
  readonly ramps: RampsTable;
  readonly values: Values;
  readonly owners: Owners;
  readonly sessions: SessionDirectory;
  readonly lookup: RunLookup;
  readonly deltas: RunDeltas;
  readonly streams: DurableStreams;
  readonly starter: RunStarter;
  readonly turns = new Turns();
  readonly startPolicy: StartPolicy;
  readonly batchPolicy: BatchPolicy;
  readonly revoked: RevokedRuns;
  private readonly dispatcher: Dispatcher;
  private readonly answers: Answers;
  private readonly clocks: ScheduleClocks;
  private readonly batchRunners: BatchRunners;
  private readonly sweep: RetentionSweep;
  private readonly grants: IdentityGrants;
  private readonly questions: PolicyQuestions;

  /** @param governed whether policies are asked; tests that have no identity have none */
  constructor(
    private readonly context: ServiceContext<SchedulerConfig>,
    governed: boolean,
  ) {
    const { ledger, log, blobs, config, dataSource, metrics } = context;
    const { nc } = ledger;
    this.log = log;
    const manager = jetstreamManager(nc, { checkAPI: false });
    manager.catch(() => undefined);
    const history = new LedgerHistory(
      async (partition, commit) => commitBody(await manager, streamName('scheduler', partition), commit),
      (partition, from, to) => ledger.read('scheduler', partition, { from: from - 1, to }),
    );
    this.runs = ledger.commands('scheduler');
    // Enforcement is opened after the partitions are.
    const policies = onceThere(() => context.enforcement?.policies);
    this.startPolicy = governed ? new CedarStartPolicy(policies) : everyStart;
    this.batchPolicy = governed ? new CedarBatchPolicy(policies) : everyBatch;
    this.table = new RunsTable(dataSource);
    this.schedules = new SchedulesTable(dataSource);
    this.queues = new QueuesTable(dataSource);
    this.ramps = new RampsTable(dataSource);
    this.batches = new BatchesTable(dataSource);
    this.retention = new RetentionTable(dataSource);
    this.sweep = new RetentionSweep({
      runs: this.runs, table: this.table, retention: this.retention, log, everyMs: config.WRIT_RETENTION_SWEEP_MS,
      owns: (partition) => [...this.owners.local].some((owner) => owner.partition === partition),
    }); // prettier-ignore
    this.clocks = new ScheduleClocks(log);
    const pages = new BatchPages(this.runs, this.table, config.WRIT_CANCEL_GRACE_MS);
    this.batchRunners = new BatchRunners({
      pages, policy: this.batchPolicy, log,
      lostAuthority: async (batch, signal) =>
        context.enforcement && lostAuthority(context.enforcement, batch, signal),
    }); // prettier-ignore
    this.values = new Values(blobs);
    const broker = { replicas: ledger.streamReplicas, batches: ledger.server.features.batchGet };
    const limits = { hours: config.WRIT_DELTAS_HOURS, mib: config.WRIT_DELTAS_MIB };
    const kept = new StreamStore(nc, keptSpace(config.WRIT_STREAMS_MIB), broker);
    this.streams = new DurableStreams({ store: kept, path: streamPath });
    this.deltas = new RunDeltas(new StreamStore(nc, deltaSpace(limits), broker), log, streamMetrics(metrics));
    this.sessions = new SessionDirectory(nc, log, {
      inbox: ledger.inbox(),
      gone: (session) => this.owners.sessionGone(session),
      silent: (session) => this.owners.sessionSilent(session),
      journal: (tenant, run) => this.lookup.journal(tenant, run),
    });
    this.dispatcher = new Dispatcher(this.sessions);
    this.sessions.dispatcher = this.dispatcher;
    this.owners = new Owners({ nc, log, history, dispatcher: this.dispatcher, outlet: this.sessions });
    this.lookup = new RunLookup(this.owners, this.table, history);
    this.grants = new IdentityGrants(ledger.commands('identity'));
    this.questions = new PolicyQuestions(ledger.commands('policy'));
    this.starter = new RunStarter(this.runs, this.grants, this.lookup, this.turns);
    this.answers = new Answers(ledger, this.owners, this.runs, log);
    this.revoked = new RevokedRuns(this.owners, log);
    watchRuns(metrics, { owners: this.owners, dispatcher: this.dispatcher, sessions: this.sessions });
  }

  /** Nothing in tests that have no identity. */
  get enforcement(): Enforcement | undefined {
    return this.context.enforcement;
  }

  /** What the ledger needs to host the scheduler's partitions here. */
  host(): Omit<HostSpec, 'service' | 'dataSource'> {
    const { runs, starter, startPolicy, lookup, deltas, grants, questions } = this;
    const approvalAwaited = (tenant: string, approval: string) => this.answers.awaited(tenant, approval);
    return {
      model: () =>
        new RunModel(
          new ScheduleModel(
            new BatchModel(
              aggregates([actionAggregate as unknown as AnyAggregate, retention as unknown as AnyAggregate])(),
            ),
          ),
        ),
      errors: { ...runErrors, ...scheduleErrors, ...batchErrors, ...retentionErrors, ...queueErrors, ...rampErrors },
      reactors: [runReactor({ runs, starter, startPolicy, lookup, deltas, grants, questions, approvalAwaited })],
      projections: [beside(runsProjection, schedulesBeside, queuesBeside, rampsBeside, batchesBeside, retentionBeside)],
      onOwned: (_partition, handle) => {
        this.owners.take(handle, (owner) => {
          this.revoked.owned(owner);
          this.answers.owned(owner);
        });
        this.clocks.owned(handle);
        this.batchRunners.take(handle);
      },
      onLost: (partition) => {
        this.owners.drop(partition);
        this.clocks.lost(partition);
        this.batchRunners.drop(partition);
      },
      onCommit: (commit) => {
        this.owners.committed(commit);
        this.clocks.committed(commit);
        this.batchRunners.look(commit.partition);
        this.revoked.committed(commit);
      },
    };
  }

  /** Follows what others decide about runs. */
  follow(enforcement: Pick<Enforcement, 'onRevoked' | 'revokedSince'> | undefined, revoked: () => void): void {
    if (enforcement) this.revoked.follow(enforcement, revoked);
    this.answers.start();
    this.batchRunners.start();
    this.sweep.start();
  }

  async stop(): Promise<void> {
    this.sweep.stop();
    this.revoked.stop();
    this.owners.stop();
    await this.answers.stop();
    this.sessions.stop();
    this.dispatcher.stop();
  }
}

/** Any copy of the stream may answer; one that lags behind does not have it yet, so the leader has the last word. */
async function commitBody(
  { direct, streams }: JetStreamManager,
  stream: string,
  commit: number,
): Promise<Uint8Array | undefined> {
  const query = { seq: commit };
  const found = (await direct.getMessage(stream, query)) ?? (await streams.getMessage(stream, query));
  return found?.data;
}
