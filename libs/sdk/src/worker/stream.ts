import { hostname } from 'node:os';
import {
  Evict_Reason,
  WorkerService,
  type ConnectRequestSchema,
  type ConnectResponseSchema,
  type Consult,
  type Evict,
  type Replay,
  type Task,
  type Welcome,
} from '@writ/proto/worker/v1/worker';
import type { Channel, Duplex } from '../client/channel.js';
import { pause, type Session } from '../client/session.js';
import type { WorkflowDefinition } from '../define/workflow.js';
import { WritError } from '../errors/errors.js';
import type { Surroundings } from '../run/execute.js';
import { consultCopy } from '../run/consult.js';
import { rehearse } from '../run/strict-replay.js';
import { readBlob, uploadBlob } from './blobs.js';
import { mayHeal } from './hopeless.js';
import { Outgoing } from './outgoing.js';
import { ServedRun, type Stream } from './served-run.js';
import { activationIn, replayEndIn, valueIn } from './wire-in.js';
import { consultOut, divergenceOut, type Place } from './wire-out.js';

/** What a worker offers. */
export interface Offer {
  readonly workflows: ReadonlyMap<string, WorkflowDefinition>;
  readonly tools: readonly string[];
  readonly queue: string;
  readonly concurrency: number;
}

type Connection = Duplex<typeof ConnectRequestSchema, typeof ConnectResponseSchema>;

/** Runs that wait are kept alive up to this many; the one that has waited longest goes first. Each costs some ten kilobytes. */
const maxIdleRuns = 2_000;
const tokenCheckMs = 15_000;
const goodbyeMs = 2_000;
const sdk = 'writ-js/0.1.0';

const evictions: Readonly<Partial<Record<Evict_Reason, string>>> = {
  [Evict_Reason.STALE]: 'run.stale_attempt',
  [Evict_Reason.PAUSED]: 'run.paused',
  [Evict_Reason.BAD_REPORT]: 'run.bad_report',
  [Evict_Reason.REVOKED]: 'auth.revoked',
};

/** Another scheduler has the run now, and hands it out again, most often to this very worker: what it does goes on for a while. */
const mayComeBack = new Set([Evict_Reason.MOVED, Evict_Reason.STALE]);

/** One for all: an error costs its stack. */
const ended = new WritError('the run has ended', { code: 'run.ended' });

/** One connection to a scheduler, from hello to its end, and the runs that came by it. */
export class WorkerStream implements Stream {
  readonly outgoing: Outgoing;
  readonly welcomed: Promise<Welcome>;
  readonly #runs = new Map<string, ServedRun>();
  /** How many attempts of a run are here: one that comes back may be here before the one before it is taken away. */
  readonly #attempts = new Map<string, number>();
  /** In the order in which they began to wait. */
  readonly #idle = new Map<string, ServedRun>();
  #welcome!: (welcome: Welcome) => void;
  #limits = { inline: 64 * 1024, value: 1024 ** 3 };
  #token = '';
  /** Of this stream alone, where it does not go through the door. */
  #direct: Channel | undefined;

  constructor(
    private readonly session: Session,
    private readonly connection: Connection,
    private readonly offer: Offer,
    private readonly around: Surroundings,
  ) {
    this.outgoing = new Outgoing((frame) => connection.write(frame));
    this.welcomed = new Promise((resolve) => (this.#welcome = resolve));
  }

  static async open(session: Session, offer: Offer, around: Surroundings): Promise<WorkerStream> {
    const token = await session.token();
    const direct = await session.directChannel();
    const channel = direct ?? (await session.channel());
    const connection = channel.duplex(WorkerService.method.connect, { token, headers: session.headers() });
    const stream = new WorkerStream(session, connection, offer, around);
    stream.#token = token;
    stream.#direct = direct;
    return stream;
  }

  get runs(): readonly ServedRun[] {
    return [...this.#runs.values()];
  }

  /** Serves until the stream ends. @throws WritError where the server ended it with one */
  async serve(): Promise<void> {
    const { queue, concurrency, tools, workflows } = this.offer;
    const code = [...workflows.values()].map(({ name, version, messages = {} }) => ({
      name,
      version: version ?? '',
      messages: { names: Object.keys(messages) },
    }));
    const hello = {
      worker: `${hostname()}/${process.pid}`,
      queue,
      workflows: code,
      tools: [...tools],
      concurrency,
      sdk,
    };
    void this.outgoing.send({ hello }).catch(() => {}); // the reading side reports why
    const tokens = setInterval(() => void this.#refresh(), tokenCheckMs);
    tokens.unref();
    let reason = new WritError('the connection to the scheduler was lost', { code: 'run.moved' });
    let lost = true;
    try {
      for await (const frame of this.connection) {
        if (frame.welcome) this.#welcomeBy(frame.welcome);
        for (const task of frame.tasks) this.#take(task);
        if (frame.drain) break; // the server goes away: a new stream, and the runs come again by replay
      }
    } catch (error) {
      // No stream comes after this one, so no run comes back: whoever was revoked stops what it is doing.
      if (WritError.is(error) && !mayHeal(error)) [reason, lost] = [error, false];
      throw error;
    } finally {
      clearInterval(tokens);
      this.outgoing.close();
      for (const run of this.#runs.values()) run.drop(reason, lost);
      for (const run of this.#runs.values()) this.#forget(run);
      this.#direct?.close();
    }
  }

  fail(error: unknown): void {
    this.around.log({ level: 'error', message: 'the worker stream is torn down', fields: { error } });
    this.connection.cancel();
    this.#direct?.close();
  }

  readonly fetch = (blob: Parameters<typeof readBlob>[1]) => readBlob(this.session, blob);

  readonly place: Place = async (json) => {
    const { inline, value } = this.#limits;
    if (json.length <= inline) return { value: { case: 'json', value: json } };
    if (json.length > value)
      throw new WritError(`a value of ${json.length} bytes is too large, the limit is ${value}`, {
        code: 'run.value_too_large',
      });
    return { value: { case: 'blob', value: await uploadBlob(this.session, json) } };
  };

  /** No more runs; those that are here end, or go elsewhere as soon as nothing of theirs is under way. */
  async drain(graceMs: number): Promise<void> {
    await this.outgoing.send({ drain: true });
    const until = Date.now() + graceMs;
    for (const run of this.runs) run.hold();
    while (this.#runs.size > 0 && Date.now() < until) {
      for (const run of this.runs) if (run.isQuiet && !run.ended) await this.#release(run);
      if (this.#runs.size > 0) await pause(10);
    }
    for (const run of this.runs) run.drop(new WritError('the worker stops', { code: 'run.moved' }), false);
    const late = new AbortController();
    await Promise.race([this.outgoing.written(), pause(goodbyeMs, late.signal).catch(() => {})]);
    late.abort();
    this.connection.end();
    setTimeout(() => this.connection.cancel(), goodbyeMs).unref(); // it did not answer the end of our half
  }

  #welcomeBy(welcome: Welcome): void {
    if (welcome.maxInlineBytes > 0n) this.#limits.inline = Number(welcome.maxInlineBytes);
    if (welcome.maxValueBytes > 0n) this.#limits.value = Number(welcome.maxValueBytes);
    this.#welcome(welcome);
  }

  #take({ task }: Task): void {
    switch (task.case) {
      case 'activate': {
        const definition = this.offer.workflows.get(task.value.workflow);
        if (!definition) return this.outgoing.add({ release: task.value.attempt });
        this.session.follow(task.value.runId, task.value.info?.trace ?? '');
        return this.#keep(new ServedRun(task.value, definition, this, this.around));
      }
      case 'journal':
        return this.#runs.get(task.value.attempt)?.journal(task.value.entries);
      case 'resume':
        this.#idle.delete(task.value.attempt);
        return this.#runs.get(task.value.attempt)?.resume(task.value.entries);
      case 'evict':
        return this.#evict(task.value);
      case 'replay':
        void this.#replay(task.value).catch((error: unknown) => this.fail(error));
        return;
      case 'consult':
        void this.#consult(task.value).catch((error: unknown) => this.fail(error));
        return;
      case undefined: // of a later version of the protocol
    }
  }

  #keep(run: ServedRun): void {
    this.#runs.set(run.attempt, run);
    this.#attempts.set(run.runId, (this.#attempts.get(run.runId) ?? 0) + 1);
  }

  #forget({ attempt, runId }: ServedRun): void {
    this.#idle.delete(attempt);
    if (!this.#runs.delete(attempt)) return;
    const others = (this.#attempts.get(runId) ?? 1) - 1;
    if (others > 0) return void this.#attempts.set(runId, others);
    this.#attempts.delete(runId);
    this.session.forget(runId);
  }

  waits(run: ServedRun): void {
    this.#idle.set(run.attempt, run);
    const [oldest] = this.#idle.values();
    if (this.#idle.size > maxIdleRuns && oldest) void this.#release(oldest);
  }

  async #release(run: ServedRun): Promise<void> {
    this.#forget(run);
    run.drop(new WritError('the run goes elsewhere', { code: 'run.moved' }), false);
    await run.reported();
    this.outgoing.add({ release: run.attempt });
  }

  #evict({ attempt, reason, detail }: Evict): void {
    const run = this.#runs.get(attempt);
    // A worker that was thought to be silent is not: it may get runs again.
    if (reason === Evict_Reason.STALE) this.outgoing.add({ release: attempt });
    if (!run) return;
    this.#forget(run);
    const code = evictions[reason];
    if (code)
      this.around.log({
        level: 'warn',
        message: 'the scheduler took a run away',
        fields: { run: run.runId, code, detail },
      });
    const why =
      reason === Evict_Reason.ENDED
        ? ended
        : new WritError(detail || 'the scheduler took the run away', { code: code ?? 'run.moved' });
    run.drop(why, mayComeBack.has(reason));
  }

  async #replay({ id, run, end }: Replay): Promise<void> {
    const definition = this.offer.workflows.get(run?.workflow ?? '');
    if (!run || !definition) return; // the scheduler asked the wrong worker, and asks another one
    const rehearsal = await rehearse(
      definition,
      await activationIn(run, [], this.fetch),
      await replayEndIn(end, this.fetch),
    );
    const { same, firstDifference, entries, liveCalls } = rehearsal;
    const difference = firstDifference ? { firstDifference: divergenceOut(firstDifference) } : {};
    this.outgoing.add({ replay: { id, same, entries, liveCalls, ...difference } });
  }

  async #consult({ id, name, update, data, attempt, run }: Consult): Promise<void> {
    const question = { name, update, data: await valueIn(data, this.fetch) };
    const definition = this.offer.workflows.get(run?.workflow ?? '');
    const copied = run && definition && consultCopy(definition, await activationIn(run, [], this.fetch), question);
    const verdict = await (copied ?? this.#runs.get(attempt)?.consult(question));
    this.outgoing.add({ consulted: await consultOut(id, verdict, this.place) });
  }

  async #refresh(): Promise<void> {
    const token = await this.session.token().catch(() => this.#token); // without a new one the server ends the stream, and says why
    if (token === this.#token) return;
    this.#token = token;
    await this.outgoing.send({ accessToken: token }).catch(() => {});
  }
}
