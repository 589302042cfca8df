import { tailOf, type StreamRecord, type StreamState } from '../record.js';
import type { StreamStore, StreamChange } from '../store.js';
import { decideAppend, readAppend } from './append.js';
import { askedOf, endMs, firstData, forkPoint, isSame, newState, readCreation, type Fork } from './create.js';
import { about, bad, isJson, sameType, StreamRefusal, type StreamAnswer, type StreamRequest } from './exchange.js';
import { elementsOf } from './messages.js';
import { StreamReader } from './reader.js';
import { readReading } from './read.js';

export interface DurableStreamsOptions {
  readonly store: StreamStore;
  /** Where streams are: what stands in front of their names. */
  readonly path: string;
  /** How long somebody waits for something to come; default 25 s. */
  readonly longPollMs?: number;
  /** How long a stream of events lasts; default 60 s. Its reader comes again. */
  readonly eventsMs?: number;
}

const missing = () => new StreamRefusal(404, 'there is no such stream');
const gone = () => new StreamRefusal(410, 'the stream was deleted; others begin with it');
const full = () => new StreamRefusal(507, 'there is no room for more');

/**
 * The Durable Streams protocol over a store. Who may do what is asked before; here is what it means.
 * Each request is decided on the newest record of its stream, so any number of processes may serve the same streams.
 */
export class DurableStreams {
  constructor(private readonly options: DurableStreamsOptions) {}

  /** @param tenant whose stream it is. @throws StreamRefusal */
  async answer(tenant: string, request: StreamRequest, signal: AbortSignal): Promise<StreamAnswer> {
    const subject = this.options.store.subject(tenant, request.name);
    const head = await this.live(subject);
    switch (request.method) {
      case 'PUT':
        return this.create(tenant, subject, head, request);
      case 'POST':
        return this.append(subject, there(head), request);
      case 'DELETE':
        await this.delete(subject, there(head));
        return { status: 204, headers: {} };
      case 'HEAD':
        return {
          status: 200,
          headers: { ...about(there(head)), ...limitsOf(there(head).state), 'cache-control': 'no-store' },
        };
      case 'GET':
        return this.read(subject, there(head), request, signal);
    }
  }

  /** The newest record of a stream whose time is not over. */
  private async live(subject: string): Promise<StreamRecord | undefined> {
    const head = await this.options.store.head(subject);
    if (!head || head.state.gone || (endMs(head.state) ?? Infinity) > Date.now()) return head;
    await this.delete(subject, head);
    return undefined;
  }

  private async create(
    tenant: string,
    subject: string,
    head: StreamRecord | undefined,
    request: StreamRequest,
  ): Promise<StreamAnswer> {
    const creation = readCreation(request, (path) => nameOf(path, this.options.path));
    if (head?.state.gone) throw new StreamRefusal(409, 'the stream was deleted, and others begin with it');
    const { fork } = creation;
    const from = fork && this.options.store.subject(tenant, fork.source);
    const source = from === undefined ? undefined : await this.live(from);
    if (fork && !source) throw missing();
    if (head) return existing(head, isSame(head, creation, source?.state));
    if (source?.state.gone) throw new StreamRefusal(409, 'the stream to begin with was deleted');
    if (source && creation.type !== undefined && !sameType(creation.type, source.state.type))
      throw new StreamRefusal(409, `the stream to begin with holds ${source.state.type}`);
    const beginning =
      fork && source ? await this.beginning(from as string, source, fork) : { prefix: new Uint8Array() };
    const { prefix, ...inherited } = beginning;
    const state = { ...newState(creation, source?.state, Date.now()), ...inherited };
    const data = firstData(state.type, creation.body, prefix);
    if (from !== undefined) await this.count(from, 1);
    const made = await this.store.change(subject, (now) => (now ? undefined : { state, data }));
    if (made === 'full' || made?.state.createdMs !== state.createdMs) {
      if (from !== undefined) await this.count(from, -1);
      if (made === 'full' || !made) throw full();
      return existing(made, isSame(made, creation, source?.state));
    }
    return { status: 201, headers: { ...about(made), location: `${this.options.path}${encodeURI(request.name)}` } };
  }

  /** What a fork has of its source. @throws StreamRefusal 400 */
  private async beginning(subject: string, source: StreamRecord, fork: Fork) {
    const point = forkPoint(source, fork);
    const before = (source.state.from ?? []).map((range) => ({ ...range, upto: Math.min(range.upto, point) }));
    const from = [...before, { subject, upto: point }];
    const prefix = fork.part > 0 ? await this.part(subject, source, point, fork.part) : new Uint8Array();
    return { from, fork: { source: fork.source, asked: askedOf(fork) }, prefix };
  }

  /** The first bytes or messages of the record that follows. */
  private async part(subject: string, source: StreamRecord, point: number, count: number): Promise<Uint8Array> {
    const [next] = (await this.store.read(subject, source, point, 1)).records;
    if (!next) throw bad('nothing follows at Stream-Fork-Offset');
    const whole = isJson(source.state.type) ? elementsOf(Buffer.from(next.data).toString()) : next.data;
    if (count > whole.length) throw bad(`what follows at Stream-Fork-Offset has ${whole.length}, not ${count}`);
    return Array.isArray(whole) ? Buffer.from(whole.slice(0, count).join(',')) : whole.slice(0, count);
  }

  private async append(subject: string, head: StreamRecord, request: StreamRequest): Promise<StreamAnswer> {
    const append = readAppend(request);
    let decided: ReturnType<typeof decideAppend> | undefined;
    const after = await this.store.change(subject, (now) => {
      decided = decideAppend(there(now), append, Date.now());
      return decided.change;
    });
    if (after === 'full') throw full();
    return (decided as ReturnType<typeof decideAppend>).answer(after ?? head);
  }

  private async read(
    subject: string,
    head: StreamRecord,
    request: StreamRequest,
    signal: AbortSignal,
  ): Promise<StreamAnswer> {
    const reading = readReading(request);
    if (head.state.ttlSeconds !== undefined) await this.touch(subject, head.state);
    const { longPollMs, eventsMs } = this.options;
    return new StreamReader(this.store, { longPollMs, eventsMs }).read({ subject, head, reading, request }, signal);
  }

  /** Reading a stream keeps it alive; that is written down at most ten times in its time to live. */
  private async touch(subject: string, { ttlSeconds = 0, touchedMs = 0 }: StreamState): Promise<void> {
    const nowMs = Date.now();
    if (nowMs - touchedMs < ttlSeconds * 100) return;
    await this.store.change(subject, (now) => now && withState(now, { touchedMs: nowMs }));
  }

  /** What others begin with stays until the last of them is gone. */
  private async delete(subject: string, head: StreamRecord): Promise<void> {
    if (head.state.gone) throw gone();
    let others = 0;
    await this.store.remove(subject, (now) => {
      others = now?.state.forks ?? 0;
      return now && withState(now, others > 0 ? { gone: true } : { deleted: true });
    });
    const source = head.state.from?.at(-1);
    if (others === 0 && source) await this.count(source.subject, -1);
  }

  private async count(subject: string, more: 1 | -1): Promise<void> {
    const last = await this.store.remove(subject, (now) => {
      if (!now) return undefined;
      const forks = (now.state.forks ?? 0) + more;
      return withState(now, forks <= 0 && now.state.gone ? { forks: 0, deleted: true } : { forks });
    });
    const source = last?.state.deleted && last.state.from?.at(-1);
    if (source) await this.count(source.subject, -1);
  }

  private get store(): StreamStore {
    return this.options.store;
  }
}

/** A record that changes the state and adds nothing. */
const withState = (head: StreamRecord, more: Partial<StreamState>): StreamChange => ({
  state: { ...head.state, tail: tailOf(head), ...more },
});

/** @throws StreamRefusal 404, 410 */
function there(head: StreamRecord | undefined): StreamRecord {
  if (!head) throw missing();
  if (head.state.gone) throw gone();
  return head;
}

function existing(head: StreamRecord, same: boolean): StreamAnswer {
  if (!same) throw new StreamRefusal(409, 'there is another stream of this name');
  return { status: 200, headers: about(head) };
}

function limitsOf({ ttlSeconds, expiresAt }: StreamState): Record<string, string> {
  return {
    ...(ttlSeconds !== undefined && { 'stream-ttl': String(ttlSeconds) }),
    ...(expiresAt !== undefined && { 'stream-expires-at': expiresAt }),
  };
}

/** The name of a stream, of its path or URL. */
function nameOf(path: string, prefix: string): string | undefined {
  const { pathname } = new URL(path, 'http://stream');
  if (!pathname.startsWith(prefix) || pathname.length === prefix.length) return undefined;
  return decodeURIComponent(pathname.slice(prefix.length));
}
