import { ToolService } from '@writ/proto/tools/v1/tools';
import type { JsonObject } from '@bufbuild/protobuf';
import { pause, type Session } from '../client/session.js';
import type { ServeOptions, Worker } from '../client/writ.js';
import { inputSchemaOf, type ToolDefinition } from '../define/tool.js';
import { definitionOf, type WorkflowDefinition } from '../define/workflow.js';
import { WritError } from '../errors/errors.js';
import { Attempts } from '../run/attempts.js';
import { systemTimers } from '../run/effects.js';
import type { Surroundings } from '../run/execute.js';
import { stderrSink } from '../run/log.js';
import { GovernedEffects } from './governed-effects.js';
import { mayHeal } from './hopeless.js';
import { onStop } from './stop-signals.js';
import { WorkerStream, type Offer } from './stream.js';

/** What is under way gets this long when the worker stops; Kubernetes kills after 30 s. */
const drainMs = 25_000;
/** What was under way when the connection broke goes on this long, waiting for its run to come back. */
const adoptionMs = 30_000;
const [firstDelayMs, maxDelayMs] = [100, 2_000];

function unique<T extends { readonly name: string }>(what: string, definitions: readonly T[]): Map<string, T> {
  const byName = new Map(definitions.map((each) => [each.name, each]));
  if (byName.size === definitions.length) return byName;
  const twice = definitions.find((each, at) => definitions.findIndex(({ name }) => name === each.name) !== at);
  throw new WritError(`two ${what} have the name '${twice?.name}'`, { code: 'input.invalid' });
}

/** `writ.serve`. Keeps one stream to a scheduler, again and again, until it is drained. */
export async function serve(session: Session, opts: ServeOptions): Promise<Worker> {
  const tools = unique(
    'tools',
    (opts.tools ?? []).map((each) => definitionOf<ToolDefinition>(each)),
  );
  const own = [...tools.values()].filter(({ remote }) => remote === undefined);
  const offer: Offer = {
    workflows: unique(
      'workflows',
      (opts.workflows ?? []).map((each) => definitionOf<WorkflowDefinition>(each)),
    ),
    tools: own.map(({ name }) => name),
    queue: opts.queue ?? '',
    concurrency: opts.concurrency ?? 0,
  };
  const around = {
    effects: new GovernedEffects(session),
    attempts: new Attempts(adoptionMs),
    timers: systemTimers,
    log: stderrSink,
  };
  opts.signal?.throwIfAborted();
  if (own.length > 0) await register(session, own, opts.signal);
  const loop = new ServeLoop(session, offer, around);
  const forgetStop = onStop(() => loop.stop());
  const abort = () => void loop.stop();
  opts.signal?.addEventListener('abort', abort, { once: true });
  void loop.closed
    .catch(() => {})
    .finally(() => {
      forgetStop();
      opts.signal?.removeEventListener('abort', abort);
    });
  await Promise.race([loop.ready, loop.closed]);
  return { closed: loop.closed, [Symbol.asyncDispose]: () => loop.stop() };
}

async function register(
  session: Session,
  tools: readonly ToolDefinition[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const definitions = tools.map((tool) => ({
    name: tool.name,
    description: tool.description,
    effect: tool.effect,
    inputSchema: inputSchemaOf(tool) as JsonObject,
  }));
  await session.call(ToolService.method.registerTools, { tools: definitions }, { signal });
}

class ServeLoop {
  readonly ready: Promise<void>;
  readonly closed: Promise<void>;
  readonly #stopping = new AbortController();
  #stream: WorkerStream | undefined;
  #markReady!: () => void;

  constructor(
    private readonly session: Session,
    private readonly offer: Offer,
    private readonly around: Surroundings,
  ) {
    this.ready = new Promise((resolve) => (this.#markReady = resolve));
    this.closed = this.#run();
    this.closed.catch(() => {}); // whoever wants to know looks at it
  }

  /** Drains, once. Resolves when the worker has closed, whatever for. */
  async stop(): Promise<void> {
    if (!this.#stopping.signal.aborted) {
      this.#stopping.abort();
      await this.#stream?.drain(drainMs).catch(() => {});
    }
    await this.closed.catch(() => {});
  }

  async #run(): Promise<void> {
    for (let failures = 0; !this.#stopping.signal.aborted;)
      try {
        this.#stream = await WorkerStream.open(this.session, this.offer, this.around);
        void this.#stream.welcomed.then(() => {
          failures = 0;
          this.#markReady();
        });
        if (this.#stopping.signal.aborted) return this.#stream.fail('stopped');
        await this.#stream.serve();
        this.session.askAgainWhere(); // whoever goes away is not where the next stream goes
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        if (!mayHeal(error)) throw error;
        this.session.askAgainWhere();
        const delayMs = Math.min(firstDelayMs * 2 ** failures++, maxDelayMs) * (0.75 + Math.random() / 2);
        this.#say(error, failures, delayMs);
        await pause(delayMs, this.#stopping.signal).catch(() => {});
      } finally {
        this.#stream = undefined;
      }
  }

  #say(error: WritError, failures: number, delayMs: number): void {
    const level = failures > 1 ? 'warn' : 'info';
    const fields = { code: error.code, reason: error.message, againInMs: Math.round(delayMs) };
    this.around.log({ level, message: 'no connection to the scheduler', fields });
  }
}
