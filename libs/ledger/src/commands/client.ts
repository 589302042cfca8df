import type { NatsConnection } from '@nats-io/nats-core';
import type { Actor, Command, LedgerEvent } from '../domain/events.js';
import { newId } from '../domain/ids.js';
import { commandSubject, partitionOf, type ServiceName } from '../domain/partitioning.js';
import { DomainError, refuse } from '../domain/refusals.js';
import type { Owner } from '../owner/owner.js';
import { nextMoment } from '../pause.js';
import { attemptMs, type FrameAnswer, type Frames } from './frames.js';
import { activeTrace } from './trace.js';
import { decodeAnswer, decodeCommand } from './wire.js';

/** A change that is asked for. Without `id` it gets a new one, and only the retries inside `send` are deduplicated. */
export interface OutgoingCommand {
  tenant: string;
  aggregate: string;
  subject: string;
  command: { type: string } & object;
  actor: Actor;
  id?: string;
  cause?: string;
  trace?: string;
  /** Default: `partitionOf(tenant, subject)`. */
  partition?: number;
  /** It is of JSON alone, and nobody changes it any more: an owner in this process takes it as it is. */
  plain?: boolean;
}

/** The answer to a command, given after its commit was acknowledged. */
export interface CommandResult {
  /** Of its last event; the partition's head where nothing had to change. */
  position: string;
  /** Read only: in one process they are the owner's own objects. */
  events: readonly LedgerEvent[];
  /** The id was seen before: this is the old answer. */
  duplicate: boolean;
}

export interface SendOptions {
  /** For everything, retries included. Default 10,000. */
  timeoutMs?: number;
  /** Stops the waiting; the change may still happen. */
  signal?: AbortSignal;
}

/** Sends commands to whoever owns their partition. */
export interface CommandClient {
  /**
   * Retries with the same id until `timeoutMs`, so one call has one effect.
   * @throws DomainError what the decider refused; `ledger.unavailable` when no owner took it;
   * `ledger.timeout` when the outcome is unknown; `ledger.too_large`; the reason of `signal`
   */
  send(command: OutgoingCommand, options?: SendOptions): Promise<CommandResult>;
}

/** What a busy machine surely moves there and back. */
const bytesPerMs = 2_000;
const backoffMs = [5, 10, 20, 50, 100, 200];
/** Of the broker's largest message: what subject and reply subject take. */
const overheadBytes = 1024;

export interface CommandRoute {
  nc: NatsConnection;
  frames: Frames;
  service: ServiceName;
  partitions: () => number;
  /** The owner, where it is in this process. */
  local(partition: number): Owner | undefined;
}

/** `again`: no answer that settles it. `unknown`: the same, and it may have been done. */
type Attempt = { result: CommandResult } | { again: true; unknown: boolean };

export class LedgerCommands implements CommandClient {
  private readonly route: CommandRoute;

  constructor(route: CommandRoute) {
    this.route = route;
  }

  async send(outgoing: OutgoingCommand, { timeoutMs = 10_000, signal }: SendOptions = {}): Promise<CommandResult> {
    signal?.throwIfAborted();
    const { tenant, subject, partition = partitionOf(tenant, subject, this.route.partitions()) } = outgoing;
    const command = commandOf(outgoing);
    let text = outgoing.plain ? undefined : JSON.stringify(command);
    const deadline = performance.now() + timeoutMs;
    let unknown = false;
    let late = 0;
    let earlier: ReturnType<typeof lateAnswer> | undefined;
    for (let attempt = 0; ; attempt++) {
      const left = deadline - performance.now();
      if (left <= 0) throw gaveUp(this.route.service, partition, unknown, timeoutMs);
      const owner = this.route.local(partition);
      let trying: Promise<Attempt>;
      if (owner?.serving) trying = this.here(owner, text === undefined ? { ...command } : decodeCommand(text), left);
      else {
        text ??= JSON.stringify(command);
        // Longer the second time, and longer for what is large: an answer that is on its way must not be overtaken by its repetition.
        const patience = attemptMs * 2 ** late + text.length / bytesPerMs;
        trying = this.there(partition, text, Math.max(1, Math.min(left, patience)), (reply) => earlier?.hear(reply));
      }
      const outcome = await unlessAborted(earlier ? Promise.race([trying, earlier.outcome]) : trying, signal);
      if ('result' in outcome) return outcome.result;
      unknown ||= outcome.unknown;
      if (outcome.unknown) late = 1;
      if (outcome.unknown) earlier ??= lateAnswer();
      const pauseMs = Math.min(backoffMs[Math.min(attempt, backoffMs.length - 1)] as number, Math.max(1, left));
      await unlessAborted(nextMoment(pauseMs), signal);
    }
  }

  /** A command has gone through its JSON form here too, or is of JSON: a decider must not see more in one process than over the network. */
  private here(owner: Owner, command: Command, leftMs: number): Promise<Attempt> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => resolve({ again: true, unknown: true }), leftMs);
      owner.submit(command, (refusal, answer) => {
        clearTimeout(timer);
        if (answer)
          resolve({ result: { position: answer.position, events: answer.events, duplicate: answer.duplicate } });
        else settleRefusal(refusal as DomainError, resolve, reject);
      });
    });
  }

  /** @param late gets an answer that comes when it had been given up */
  private async there(
    partition: number,
    text: string,
    waitMs: number,
    late: (reply: string) => void,
  ): Promise<Attempt> {
    const { nc, frames } = this.route;
    const bytes = Buffer.byteLength(text);
    const most = (nc.info?.max_payload ?? 1 << 20) - overheadBytes;
    if (bytes > most)
      throw refuse('ledger.too_large', `the command has ${bytes} bytes; one may have ${most}`, { most });
    if (nc.isClosed()) throw refuse('ledger.unavailable', 'the connection to the ledger is closed');
    const subject = commandSubject(this.route.service, partition);
    let given = false;
    const reply = await new Promise<FrameAnswer>((resolve) => {
      frames.send(subject, text, bytes, waitMs, (answer) => {
        if (given && answer !== 'timeout' && answer !== 'none') late(answer);
        given = true;
        resolve(answer);
      });
    });
    if (reply === 'timeout') return { again: true, unknown: true };
    if (reply === 'none') return { again: true, unknown: false };
    return settled(reply);
  }
}

/** What its owner gets; the owner sets the time. */
function commandOf(outgoing: OutgoingCommand): Command {
  const { id = newId('cmd'), tenant, aggregate, subject, command, actor, cause, trace = activeTrace() } = outgoing;
  return {
    id,
    tenant,
    aggregate,
    subject,
    command,
    actor,
    time: '',
    ...(cause !== undefined && { cause }),
    ...(trace !== undefined && { trace }),
  };
}

/**
 * An answer to what was sent before is as good as one to its repetition. Without it, when an owner is slower than our
 * patience, everybody would go on repeating what is answered already, and make it slower still.
 */
function lateAnswer(): { hear(reply: string): void; outcome: Promise<Attempt> } {
  let hear: (reply: string) => void = () => undefined;
  const outcome = new Promise<Attempt>((resolve, reject) => {
    hear = (reply) => void settled(reply).then((attempt) => 'result' in attempt && resolve(attempt), reject);
  });
  outcome.catch(() => undefined); // who waited may have got another answer first
  return { hear, outcome };
}

/** @throws DomainError a refusal that is for good */
async function settled(reply: string): Promise<Attempt> {
  try {
    return { result: decodeAnswer(reply) };
  } catch (error) {
    if (error instanceof DomainError) return new Promise((resolve, reject) => settleRefusal(error, resolve, reject));
    throw error;
  }
}

function settleRefusal(
  refusal: DomainError,
  resolve: (attempt: Attempt) => void,
  reject: (error: Error) => void,
): void {
  if (refusal.code === 'ledger.unavailable') resolve({ again: true, unknown: false });
  else if (refusal.code === 'ledger.timeout') resolve({ again: true, unknown: true });
  else reject(refusal);
}

function gaveUp(service: ServiceName, partition: number, unknown: boolean, timeoutMs: number): DomainError {
  const details = { service, partition, timeoutMs };
  return unknown
    ? refuse(
        'ledger.timeout',
        `${service} did not answer within ${timeoutMs} ms; the change may have happened`,
        details,
      )
    : refuse('ledger.unavailable', `nobody owned partition ${partition} of ${service} for ${timeoutMs} ms`, details);
}

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  let stop: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', stop as () => void);
    promise.catch(() => undefined);
  }
}
