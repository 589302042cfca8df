import type { LedgerEvent } from '../client/event.js';
import type { ReplayReport, Run, StartOptions } from '../client/run.js';
import type { EventFilter, Worker, Writ } from '../client/writ.js';
import { decodeBytes, encodeBytes } from '../codec/codec.js';
import { checkAttributes } from '../define/attributes.js';
import { durationMs, type Duration } from '../define/duration.js';
import { givenBytes } from '../define/given.js';
import { countedLimits } from '../define/limits.js';
import { parse } from '../define/schema.js';
import type { Tool } from '../define/tool.js';
import { definitionOf, type Workflow, type WorkflowDefinition } from '../define/workflow.js';
import { TimeoutError, WritError, type Decision } from '../errors/errors.js';
import { checkStartOptions } from '../run/child.js';
import { stderrSink, type LogLine } from '../run/log.js';
import type { Bytes } from '../run/record.js';
import { rehearse } from '../run/strict-replay.js';
import type { SandboxPort } from '../sandbox/port.js';
import { VirtualClock } from './clock.js';
import { forkOf, restartFrom } from './go-on.js';
import { historyOf, openHistory, reportOf, type History } from './history.js';
import { TestScheduler } from './scheduler.js';
import { TestEffects, type Mock } from './test-effects.js';
import type { QueueLimits } from './test-queues.js';
import { resultOf, type TestRun } from './test-run.js';

/** What a test runs. */
export interface TestWritOptions {
  workflows?: readonly Workflow[];
  tools?: readonly Tool[];
  /** Where time begins; default 2026-01-01T00:00:00Z. */
  now?: Date;
  /** Rebuilds a run from its journal at every entry: a workflow that passes is deterministic along that way. */
  alwaysReplay?: boolean;
  /** Queues with limits, by their names; on virtual time, like everything. */
  queues?: Readonly<Record<string, QueueLimits>>;
  /** Stands in for sandboxes. */
  sandbox?: SandboxPort;
  /** Default: lines of workflows and steps are dropped. */
  log?: 'stderr' | ((line: LogLine) => void);
}

/** The platform, in process and in memory, on virtual time. */
export interface TestWrit extends Writ {
  /** Lets time pass; every sleep, timeout and retry that falls due on the way happens, in order. `0` lets everything come to rest. */
  advance(by: Duration): Promise<void>;
  /** Stands in for a tool: one of the SDK, or an MCP tool by its name. */
  mock<I>(
    tool: Tool<I> | string,
    fn: (input: I, ctx: { runId: string; effectId: string; signal: AbortSignal }) => unknown,
  ): void;
  /** Runs a workflow again on a recorded history and nothing else. */
  replay(history: History, workflow: Workflow): Promise<ReplayReport>;
  /** The history of a run: plain data, to be kept in a file and replayed on later code. */
  history(runId: string): History;
}

const decoded = (bytes: Bytes) => (bytes === undefined ? undefined : decodeBytes(bytes));
const noReceipt = { stopped: [], undone: [], outcomeUnknown: [] };
const unsupported = (what: string) => new WritError(`${what} is not there in tests`, { code: 'unsupported' });

class InProcess {
  readonly clock: VirtualClock;
  readonly effects: TestEffects;
  readonly scheduler: TestScheduler;

  constructor(options: TestWritOptions) {
    this.clock = new VirtualClock(options.now ?? new Date('2026-01-01T00:00:00Z'));
    this.effects = new TestEffects(options.sandbox);
    const definitions = (options.workflows ?? []).map((each) => definitionOf<WorkflowDefinition>(each));
    const log = options.log === 'stderr' ? stderrSink : (options.log ?? (() => {}));
    this.scheduler = new TestScheduler({
      workflows: new Map(definitions.map((each) => [each.name, each])),
      clock: this.clock,
      effects: this.effects,
      log,
      alwaysReplay: options.alwaysReplay ?? false,
      queues: options.queues ?? {},
    });
    this.effects.runs = this.scheduler;
  }

  async start(def: Workflow, input: unknown, opts: StartOptions = {}): Promise<Run<unknown>> {
    checkStartOptions(opts, 'client');
    if (opts.attributes) checkAttributes(opts.attributes, false);
    const definition = definitionOf<WorkflowDefinition>(def);
    await parse(definition.input, input, `the input of the workflow '${def.name}'`);
    const bytes: Bytes = input === undefined ? undefined : encodeBytes(input);
    const { send } = opts;
    const first = send && (await givenBytes(definition, 'message', send.message, send.data));
    if (opts.fork) {
      const fork = forkOf(this.scheduler, opts.fork, { id: opts.id ?? '', workflow: def.name, input: bytes });
      return this.handle(fork.id, def);
    }
    const { limits = definition.limits } = opts;
    const run = this.scheduler.start({
      id: opts.id ?? '',
      workflow: def.name,
      input: bytes,
      queue: opts.queue ?? '',
      attach: opts.onConflict === 'attach',
      ...(opts.at ? { at: opts.at.getTime() } : {}),
      ...(opts.key !== undefined && { key: opts.key }),
      ...(opts.priority !== undefined && { priority: opts.priority }),
      ...(limits ? { limits: countedLimits(limits) } : {}),
    });
    run.set(opts.attributes ?? {});
    if (send) this.scheduler.send(run.id, send.message, first, send.idempotencyKey);
    return this.handle(run.id, def);
  }

  handle(id: string, def?: Workflow): Run<unknown> {
    const { scheduler, clock, effects } = this;
    const definition = def && definitionOf<WorkflowDefinition>(def);
    return {
      id,
      async result(opts = {}) {
        let run = scheduler.run(id);
        let late = false;
        const stop =
          opts.timeout === undefined
            ? () => {}
            : clock.after(durationMs(opts.timeout), () => ((late = true), run.wake()));
        while (!run.end) {
          await untilAborted(run.change(), opts.signal);
          if (late) throw new TimeoutError(`the run ${id} did not end in time`);
          run = scheduler.run(id); // it may have been restarted
        }
        stop();
        const value = resultOf(run.end);
        return value && decodeBytes(value, (at) => effects.read(at));
      },
      async send(message, data, { idempotencyKey } = {}) {
        scheduler.send(id, message, await givenBytes(definition, 'message', message, data), idempotencyKey);
      },
      async query(query: string, input?: unknown) {
        return decoded(await scheduler.query(id, query, await givenBytes(definition, 'query', query, input)));
      },
      async update(update: string, input?: unknown, { idempotencyKey }: { idempotencyKey?: string } = {}) {
        const data = await givenBytes(definition, 'update', update, input);
        return decoded(await scheduler.update(id, update, data, idempotencyKey ?? scheduler.newId('upd')));
      },
      async cancel(opts = {}) {
        const run = scheduler.run(id);
        scheduler.cancel(id, opts.reason ?? '');
        while (!run.end) await untilAborted(run.change(), opts.signal);
        return run.end.state === 'succeeded' ? noReceipt : (run.end.receipt ?? noReceipt);
      },
      pause: async ({ reason = '' } = {}) => scheduler.pause(id, reason),
      resume: async () => scheduler.resume(id),
      restart: async (from, { reason = '' } = {}) => ({ dropped: restartFrom(scheduler, id, from, reason) }),
      stream: (opts) => scheduler.run(id).stream.read(scheduler.run(id), opts),
      replay: () => this.replay(historyOf(scheduler.run(id)), scheduler.run(id).workflow, def),
      [Symbol.asyncIterator]: () => eventsOf(scheduler.run(id)),
    };
  }

  replay(history: History, name: string, workflow: Workflow | undefined): Promise<ReplayReport> {
    if (!workflow)
      throw new WritError(`replaying needs the code: writ.run(id, workflow), here of '${name}'`, {
        code: 'input.invalid',
      });
    const { activation, end } = openHistory(history);
    return rehearse(definitionOf<WorkflowDefinition>(workflow), activation, end).then(reportOf);
  }

  async decide(
    approvalId: string,
    verdict: 'approve' | 'deny',
    opts: { reason?: string; input?: unknown } = {},
  ): Promise<Decision> {
    await this.scheduler.settled();
    const value = opts.input === undefined ? undefined : encodeBytes(opts.input);
    const answered = this.scheduler.answer(approvalId, {
      approved: verdict === 'approve',
      value,
      by: 'psn_test',
      reason: opts.reason ?? '',
    });
    if (!answered)
      throw new WritError(`nothing waits for the approval '${approvalId}'`, { code: 'approval.not_found' });
    return { id: approvalId, outcome: verdict === 'approve' ? 'allow' : 'deny', reasons: [], approvalId };
  }

  async advance(by: Duration): Promise<void> {
    const until = this.clock.now() + durationMs(by);
    await this.scheduler.settled();
    while (this.clock.step(until)) await this.scheduler.settled();
    await this.scheduler.settled();
  }
}

async function* eventsOf(run: TestRun): AsyncGenerator<LedgerEvent> {
  for (let next = 0; ;) {
    const event = run.events[next];
    if (event) {
      next++;
      yield event;
    } else if (run.end) return;
    else await run.change();
  }
}

async function* allEvents(scheduler: TestScheduler, filter: EventFilter = {}): AsyncGenerator<LedgerEvent> {
  const matches = (event: LedgerEvent) =>
    (filter.subject === undefined || filter.subject === event.subject) &&
    (filter.type ?? ['*']).some((type) =>
      type.endsWith('*') ? event.type.startsWith(type.slice(0, -1)) : event.type === type,
    );
  for (let next = filter.after === 'start' ? 0 : scheduler.events.length; ;) {
    const event = scheduler.events[next];
    if (event) {
      next++;
      if (matches(event)) yield event;
    } else
      await untilAborted(
        new Promise<void>((resolve) => {
          const stop = scheduler.onEvent(() => (stop(), resolve()));
        }),
        filter.signal,
      );
  }
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/**
 * Writ for tests: no server, no Docker, no waiting. Workflows run on the executor of the real worker; time is virtual, tools are mocked or their own code.
 *
 *     await using t = testWrit({ workflows: [reminder] });
 *     const run = await t.start(reminder, { to: 'ada' });
 *     await t.advance('3d');
 *     expect(await run.result()).toEqual({ sent: true });
 */
export function testWrit(options: TestWritOptions = {}): TestWrit {
  const inner = new InProcess(options);
  const worker: Worker = { closed: Promise.resolve(), [Symbol.asyncDispose]: () => Promise.resolve() };
  return {
    start: (def: Workflow, input: unknown, opts?: StartOptions) => inner.start(def, input, opts),
    run: (id: string, def?: Workflow) => inner.handle(id, def),
    events: (filter?: EventFilter) => allEvents(inner.scheduler, filter),
    decide: (approvalId: string, verdict: 'approve' | 'deny', opts?: object) => inner.decide(approvalId, verdict, opts),
    serve: () => Promise.resolve(worker),
    schedule: () => Promise.reject(unsupported('writ.schedule')),
    runs: () => {
      throw unsupported('writ.runs');
    },
    sandbox: () => Promise.reject(unsupported('writ.sandbox')),
    authorize: () => Promise.reject(unsupported('writ.authorize')),
    revoke: () => Promise.reject(unsupported('writ.revoke')),
    advance: (by: Duration) => inner.advance(by),
    mock: (tool: Tool | string, fn: Mock) =>
      void inner.effects.mocks.set(typeof tool === 'string' ? tool : tool.name, fn),
    replay: (history: History, workflow: Workflow) => inner.replay(history, workflow.name, workflow),
    history: (runId: string) => historyOf(inner.scheduler.run(runId)),
    async [Symbol.asyncDispose]() {
      for (const run of inner.scheduler.runs.values())
        run.executor?.drop(new WritError('the test is over', { code: 'run.moved' }));
    },
  } as unknown as TestWrit;
}
