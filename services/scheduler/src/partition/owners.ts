import { RequestError, type Msg, type NatsConnection, type Subscription } from '@nats-io/nats-core';
import type { Commit, Logger, PartitionHandle } from '@writ/ledger';
import { refuse, type LedgerEvent } from '@writ/ledger/domain';
import { budgetFacts } from '../run/budget.js';
import { openUndos } from '../run/decide-outside.js';
import { commitsOf } from '../run/loops.js';
import type { RunModel } from '../run/run-model.js';
import type { RunRecord } from '../run/run-record.js';
import { standstillOf, type Standstill } from '../why/run-facts.js';
import { claimedSubject, controlSubject } from '../worker/session-subjects.js';
import { Claims } from './claims.js';
import type { ControlAnswers, ControlRequest, RunFacts } from './control.js';
import type { Poke, QueueFacts, SlotsRequest } from '../queue/conversation.js';
import { homeOf } from '../queue/queues.js';
import { EndWaiters } from './end-waiters.js';
import type { History } from './history.js';
import { UpdateAnswers } from './update-answers.js';
import { RunEnds } from './run-ends.js';
import { PartitionOwner, type OwnerParts } from './partition-owner.js';
import { schedulerPartition } from './place.js';

export { positionOf, schedulerPartition } from './place.js';

const attemptMs = 2000;
const backoffMs = [5, 20, 50, 100, 200, 500];
const giveUpMs = 10_000;
/** Whoever waits asks again after so long: the owner may have changed. */
const sliceMs = 5_000;

export interface OwnersOptions extends Omit<OwnerParts, 'ends' | 'slots'> {
  nc: NatsConnection;
  history: History;
  log: Logger;
}

interface Owned {
  owner: PartitionOwner;
  subscription: Subscription;
}

/** The partitions that this process owns, and the way to the owners of the others. */
export class Owners {
  private readonly owned = new Map<number, Owned>();
  private readonly waiters = new EndWaiters();
  private readonly updates = new UpdateAnswers();
  private readonly claims: Claims;
  private readonly slots = {
    ask: (home: number, request: SlotsRequest) => this.ask(home, request),
    poke: (partition: number, poke: Poke) => this.ask(partition, poke),
  };
  /** The ends of many runs. */
  readonly ends: RunEnds;

  constructor(private readonly options: OwnersOptions) {
    this.claims = new Claims(options.nc);
    this.ends = new RunEnds({
      waiters: this.waiters,
      history: options.history,
      log: options.log,
      owner: (partition) => this.owned.get(partition)?.owner,
      ask: (partition, request) => this.ask(partition, request),
    });
  }

  /** @param before what else the owner has to know before it hands runs over */
  take(handle: PartitionHandle, before: (owner: PartitionOwner) => void): void {
    const { nc } = this.options;
    const owner = new PartitionOwner(handle, { ...this.options, ends: this.waiters, slots: this.slots });
    const subscription = nc.subscribe(controlSubject(handle.partition), {
      callback: (error, message) => (error ? undefined : void this.serve(owner, message)),
    });
    this.owned.set(handle.partition, { owner, subscription });
    nc.publish(claimedSubject, `${handle.partition}.${handle.epoch}`);
    // Not before the ledger takes commands: the first report would find no owner.
    setImmediate(() => {
      if (this.owned.get(handle.partition)?.owner !== owner) return; // lost again by now
      before(owner);
      owner.start();
      this.ends.taken(owner);
    });
  }

  stop(): void {
    this.ends.stop();
    this.claims.stop();
  }

  drop(partition: number): void {
    const owned = this.owned.get(partition);
    this.owned.delete(partition);
    owned?.subscription.unsubscribe();
    owned?.owner.stop();
    this.ends.dropped(partition);
  }

  committed(commit: Commit): void {
    this.owned.get(commit.partition)?.owner.committed(commit);
    this.updates.committed(commit.events);
  }

  get local(): Iterable<PartitionOwner> {
    return Array.from(this.owned.values(), ({ owner }) => owner);
  }

  /** A run of a partition that is here. */
  find(tenant: string, run: string): RunRecord | undefined {
    const owned = this.owned.get(schedulerPartition(tenant, run));
    return owned && recordOf(owned.owner, { tenant, run });
  }

  sessionGone(session: string): void {
    for (const { owner } of this.owned.values()) owner.sessionGone(session);
  }

  sessionSilent(session: string): void {
    let runs = 0;
    for (const { owner } of this.owned.values()) runs += owner.sessionSilent(session);
    if (runs > 0) this.options.log.warn({ session, runs }, 'nobody answers for a worker stream: others get its runs');
  }

  /** @throws DomainError `ledger.unavailable` when no owner was reached in time */
  describe(tenant: string, run: string): Promise<RunFacts | undefined> {
    return this.ask(schedulerPartition(tenant, run), { type: 'describe', tenant, run }).then(({ facts }) => facts);
  }

  /** The end of a run, when it has one within `waitMs`. Facts are missing where the owner does not know the run. */
  async end(tenant: string, run: string, waitMs: number, signal: AbortSignal): Promise<ControlAnswers['await']> {
    const partition = schedulerPartition(tenant, run);
    const deadline = Date.now() + waitMs;
    for (;;) {
      const left = Math.max(0, deadline - Date.now());
      const answer = await this.ask(partition, { type: 'await', tenant, run, waitMs: Math.min(left, sliceMs) }, signal);
      if (answer.end || !answer.facts || Date.now() >= deadline || signal.aborted) return answer;
    }
  }

  /** What became of an update; waits until then for its answer. */
  async update(tenant: string, run: string, name: string, until: number, signal: AbortSignal) {
    const partition = schedulerPartition(tenant, run);
    for (;;) {
      const waitMs = Math.max(0, Math.min(until - Date.now(), sliceMs));
      const answer = await this.ask(partition, { type: 'update', tenant, run, name, waitMs }, signal);
      if (answer.state !== 'accepted' || Date.now() >= until || signal.aborted) return answer;
    }
  }

  /** A queue as the owner of its home knows it. */
  queue(tenant: string, queue: string, run?: string): Promise<QueueFacts> {
    return this.ask(homeOf(tenant, queue), { type: 'queue', tenant, queue, ...(run !== undefined && { run }) });
  }

  /** Why a run does not go on, as far as its owner knows. */
  async standstill(tenant: string, run: string): Promise<Standstill | undefined> {
    return (await this.ask(schedulerPartition(tenant, run), { type: 'standstill', tenant, run })).standstill;
  }

  /** News from a worker's stream. It is worth a few tries and no error: an owner that is gone has forgotten the run anyway. */
  tell(partition: number, news: Extract<ControlRequest, { type: 'idle' | 'beats' | 'released' }>): void {
    this.ask(partition, news).catch((error: unknown) =>
      this.options.log.warn({ partition, err: error }, 'an owner was not told of a worker'),
    );
  }

  private async ask<R extends ControlRequest>(
    partition: number,
    request: R,
    signal?: AbortSignal,
  ): Promise<ControlAnswers[R['type']]> {
    const deadline = Date.now() + giveUpMs;
    for (let attempt = 0; ; attempt++) {
      try {
        const asked = this.askOnce(partition, request, signal);
        const answer = 'waitMs' in request ? await this.claims.unless(partition, asked) : await asked;
        if (answer) return answer;
      } catch (error) {
        if (Date.now() > deadline || signal?.aborted || !(error instanceof RequestError || isTimeout(error)))
          throw refuse('ledger.unavailable', `partition ${partition} of the scheduler has no owner that answers`);
        await new Promise((resolve) => setTimeout(resolve, backoffMs[Math.min(attempt, backoffMs.length - 1)]));
      }
    }
  }

  private async askOnce<R extends ControlRequest>(partition: number, request: R, signal?: AbortSignal) {
    const owned = this.owned.get(partition);
    // An owner may know that this is for another, which has come after it.
    const here = owned && (await this.answer(owned.owner, request, signal));
    if (here) return here as ControlAnswers[R['type']];
    const timeout = attemptMs + ('waitMs' in request ? request.waitMs : 0);
    const answer = await this.options.nc.request(controlSubject(partition), JSON.stringify(request), { timeout });
    return answer.json<ControlAnswers[R['type']]>();
  }

  private async serve(owner: PartitionOwner, message: Msg): Promise<void> {
    const answer = await this.answer(owner, message.json<ControlRequest>());
    if (answer) message.respond(JSON.stringify(answer));
  }

  private async answer(
    owner: PartitionOwner,
    request: ControlRequest,
    signal?: AbortSignal,
  ): Promise<object | undefined> {
    switch (request.type) {
      case 'idle':
        owner.idle(request.tenant, request.run, request.attempt, request.entries);
        return {};
      case 'beats':
        owner.beats(request.tenant, request.run, request.attempt, request.beats);
        return {};
      case 'released':
        owner.released(request.tenant, request.dropped);
        return {};
      case 'slots':
        return owner.slots.hear(request);
      case 'queue':
        return owner.slots.facts(request);
      case 'standstill':
        return { standstill: standstillOf(owner.handle, request.tenant, request.run) };
      case 'poke':
        owner.slots.poke(request);
        return {};
      case 'describe':
        return this.describedBy(owner, request, signal);
      case 'await':
        return this.await(owner, request, signal);
      case 'update':
        return this.updates.serve(owner, request, signal);
      case 'watch':
        return this.ends.serve(owner, request);
    }
  }

  /**
   * Of a run whose end is being committed nothing is told before it is: its record is then another one, and of that nothing is there yet.
   * Nothing at all where that takes long, since this is the owner no more.
   */
  private async describedBy(
    owner: PartitionOwner,
    request: Extract<ControlRequest, { type: 'describe' }>,
    signal?: AbortSignal,
  ): Promise<ControlAnswers['describe'] | undefined> {
    const { tenant, run: id } = request;
    const run = recordOf(owner, request);
    const isSettled = () => !run?.ended || isRecorded(owner, run);
    if (!isSettled()) await this.nextEnd(tenant, id, attemptMs, signal);
    return isSettled() ? { facts: factsOf(owner, run) } : undefined;
  }

  private async await(
    owner: PartitionOwner,
    request: Extract<ControlRequest, { type: 'await' }>,
    signal?: AbortSignal,
  ): Promise<ControlAnswers['await']> {
    const { tenant, run: id, waitMs } = request;
    const run = recordOf(owner, request);
    if (!run) return { facts: undefined };
    const end =
      run.ended && isRecorded(owner, run)
        ? await this.endOf(owner.partition, run)
        : await this.nextEnd(tenant, id, waitMs, signal);
    return { facts: factsOf(owner, run), ...(end && { end }) };
  }

  private nextEnd(tenant: string, run: string, waitMs: number, signal?: AbortSignal): Promise<LedgerEvent | undefined> {
    return new Promise((resolve) => {
      const finish = (end?: LedgerEvent) => {
        clearTimeout(timer);
        stop();
        signal?.removeEventListener('abort', cancel);
        resolve(end);
      };
      const cancel = () => finish();
      const stop = this.waiters.add(tenant, run, finish);
      const timer = setTimeout(cancel, waitMs).unref();
      signal?.addEventListener('abort', cancel, { once: true });
      if (signal?.aborted) finish();
    });
  }

  private async endOf(partition: number, run: RunRecord): Promise<LedgerEvent | undefined> {
    const events = await this.options.history.events(partition, run.tenant, run.id, run.commits);
    return events[events.length - 1];
  }
}

function recordOf(owner: PartitionOwner, { tenant, run }: { tenant: string; run: string }): RunRecord | undefined {
  return (owner.handle.model as RunModel).index.get(tenant, run);
}

/** Whether the end of a run is acknowledged. */
function isRecorded({ handle }: PartitionOwner, { commits }: RunRecord): boolean {
  return handle.commit() >= (commits[0] as number);
}

function factsOf(owner: PartitionOwner, run: RunRecord | undefined): RunFacts | undefined {
  if (!run) return undefined;
  const { state, live, digest, workflow, queue, agent, parent, onBehalfOf, depth } = run;
  const commits = acknowledged(owner, commitsOf(run));
  const facts = { state, live: live !== undefined, digest, workflow, queue, agent, parent, onBehalfOf, depth, commits };
  const progress = owner.leases.facts(run);
  const undoing = openUndos(run);
  const worker = live && { session: live.session, attempt: live.token };
  return {
    ...facts,
    ...(worker && { worker }),
    ...(progress.length > 0 && { progress }),
    ...(undoing.length > 0 && { undoing }),
    ...(run.budget && { budget: budgetFacts(run.budget) }),
  };
}

/** Without what is still being committed. */
function acknowledged(owner: PartitionOwner, commits: readonly number[]): number[] {
  const head = owner.handle.commit();
  return commits.filter((commit) => commit <= head);
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.name === 'TimeoutError';
}
