import type {
  DescMessage,
  DescMethodServerStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';
import { WritError } from '../errors/errors.js';
import { Channel, type CallSettings } from './channel.js';
import { OAuthClient, readKeyFile, type ClientKey } from './oauth.js';
import { TokenCache } from './tokens.js';
import { activeTrace } from './trace.js';

/** Where a platform is and who calls it. */
export interface SessionOptions {
  readonly url: string;
  /** Called with the id of a run where the token of a run is needed, without one for the caller's own. */
  readonly token: string | ((run?: string) => Promise<string>) | undefined;
  readonly key: (() => Promise<ClientKey>) | undefined;
  readonly project: string | undefined;
  readonly fetch: typeof globalThis.fetch;
  /** Default: `pause`. */
  readonly pause?: typeof pause;
}

/** `GET /.well-known/writ` */
export interface Beginnings {
  readonly issuer: string;
  readonly audience: string;
  /** `host:port` */
  readonly grpc: string;
  /** Schedulers, each `http://host:port`, that workers are to connect to themselves. */
  readonly workers?: readonly string[];
}

/** Of one call. `run`: under the authority of this run, not of the caller. */
export interface Calling {
  readonly run?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
}

/** What may heal is tried so often. */
export const maxAttempts = 5;
const [firstDelayMs, maxDelayMs] = [100, 3_000];
/** An outage of the platform that is waited out: by who awaits a run, and by what a run does. */
export const outageMs = 120_000;
/** The platform itself is not there, as opposed to a refusal of what was asked. */
const away = new Set([
  'service.unavailable',
  'service.draining',
  'gateway.no_service',
  'auth.revocation_unknown',
  'ledger.unavailable',
]);
const staleToken = new Set(['auth.token_expired', 'auth.invalid_token']);
/** The door turned a call away before any service saw it: whatever it was to do has not begun. */
const turnedAway = new Set(['gateway.no_service', 'auth.revocation_unknown', ...staleToken]);
/** How long a connection may take to come up. */
const reachMs = 2_000;
/** To a scheduler itself; the door is there where that is too long. */
const directMs = 500;

type Frames<T> = AsyncGenerator<T, void, undefined>;
/** A stream with its first answer, or what became of it once a service may have seen it. */
type Opened<T> = { readonly frames: Frames<T>; readonly first: IteratorResult<T, void> } | { readonly broke: unknown };

/** Before the next attempt, with jitter. */
export function retryDelayMs(attempt: number): number {
  return Math.min(firstDelayMs * 3 ** (attempt - 1), maxDelayMs) * (0.75 + Math.random() / 2);
}

/** Reads what `readKeyFile` does, once. */
export const keyFile = (path: string) => {
  let read: Promise<ClientKey> | undefined;
  return () => (read ??= readKeyFile(path));
};

/** The way to one platform: finds its address, keeps a channel to it, has tokens at hand, and calls again where that is safe. */
export class Session {
  #beginnings: Promise<Beginnings> | undefined;
  #oauth: Promise<OAuthClient> | undefined;
  #channel: { address: string; open: Channel } | undefined;
  readonly #own: TokenCache;
  readonly #ofRuns = new Map<string, TokenCache>();
  readonly #traces = new Map<string, string>();

  constructor(private readonly options: SessionOptions) {
    this.#own = new TokenCache(async () => (await this.#client()).own((await this.beginnings()).audience));
  }

  /** Asked once; a failure is not remembered. */
  beginnings(): Promise<Beginnings> {
    this.#beginnings ??= this.#discover().catch((error: unknown) => {
      this.#beginnings = undefined;
      throw error;
    });
    return this.#beginnings;
  }

  async channel(): Promise<Channel> {
    const { grpc } = await this.beginnings();
    if (this.#channel?.address === grpc) return this.#channel.open;
    this.#channel?.open.close();
    const scheme = new URL(this.options.url).protocol;
    this.#channel = { address: grpc, open: new Channel(grpc.includes('://') ? grpc : `${scheme}//${grpc}`) };
    return this.#channel.open;
  }

  /**
   * For the stream of a worker, which closes it: to one of the schedulers, where the platform has workers go there themselves.
   * Undefined where none of them is reached.
   */
  async directChannel(): Promise<Channel | undefined> {
    const { workers = [] } = await this.beginnings();
    const first = Math.floor(Math.random() * workers.length);
    for (const address of [...workers.slice(first), ...workers.slice(0, first)]) {
      const channel = new Channel(address);
      const reached = await channel.ready(directMs).then(
        () => true,
        () => false,
      );
      if (reached) return channel;
      channel.close();
    }
    return undefined;
  }

  /** Nobody answers there: the platform may have come back elsewhere, behind the same door. */
  askAgainWhere(): void {
    this.#beginnings = undefined;
  }

  /** A valid access token: the caller's own, or that of a run. */
  async token(run?: string): Promise<string> {
    const { token, key } = this.options;
    if (typeof token === 'function') return token(run);
    if (token !== undefined && run === undefined) return token;
    if (!key)
      throw new WritError(
        run === undefined ? 'there is no identity to call with' : `there is no key to get the token of run ${run} with`,
        {
          code: 'auth.missing_token',
          hint: 'set WRIT_KEY_FILE to a key file of an agent, or pass connect({ token: async (run) => … })',
        },
      );
    return run === undefined ? this.#own.get() : this.#ofRun(run).get();
  }

  /** What a run does here belongs to the trace of its start. */
  follow(run: string, trace: string): void {
    if (trace !== '') this.#traces.set(run, trace);
  }

  /** The run has ended here; its token is not needed any more. */
  forget(run: string): void {
    this.#ofRuns.delete(run);
    this.#traces.delete(run);
  }

  headers(run?: string): Record<string, string> {
    const trace = run === undefined ? activeTrace() : this.#traces.get(run);
    return {
      ...(this.options.project !== undefined && { 'writ-tenant': this.options.project }),
      ...(trace !== undefined && { traceparent: trace }),
    };
  }

  /**
   * One request, one answer. What the server says may heal is tried again with backoff: every request of this SDK that changes something
   * carries an id that makes its repeat harmless. What a run does waits for a platform that is away: an outage is no failed attempt of its step.
   */
  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    calling: Calling = {},
  ): Promise<MessageShape<O>> {
    return this.#insist(calling, (channel, settings) => channel.unary(method, request, settings));
  }

  /**
   * One request, many answers. Insisted on like a call until a service has seen it; from then on it is not repeated: only the reader knows
   * where it stood, and whether what was cut may happen twice.
   */
  async *stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    calling: Calling = {},
  ): Frames<MessageShape<O>> {
    const opened = await this.#insist(calling, async (channel, settings): Promise<Opened<MessageShape<O>>> => {
      await channel.ready(reachMs);
      const frames = channel.serverStream(method, request, settings);
      try {
        return { frames, first: await frames.next() };
      } catch (error) {
        if (wasTurnedAway(error)) throw error;
        return { broke: error };
      }
    });
    if ('broke' in opened) throw opened.broke;
    const { frames } = opened;
    try {
      for (let next = opened.first; !next.done; next = await frames.next()) yield next.value;
    } finally {
      await frames.return();
    }
  }

  /** @throws the reason of the signal */
  pause(ms: number, signal?: AbortSignal): Promise<void> {
    return (this.options.pause ?? pause)(ms, signal);
  }

  /** A stream ended with this error. @returns whether another token may do */
  refused(error: WritError, token: string): boolean {
    if (!staleToken.has(error.code)) return false;
    this.#own.drop(token);
    return true;
  }

  close(): void {
    this.#channel?.open.close();
    this.#channel = undefined;
  }

  /** Makes a call again for as long as whoever calls is to have patience with what it threw. */
  async #insist<T>(calling: Calling, act: (channel: Channel, settings: CallSettings) => Promise<T>): Promise<T> {
    const patientUntil = performance.now() + (calling.run === undefined ? 0 : outageMs);
    for (let attempt = 1; ; attempt++) {
      let token: string | undefined;
      try {
        token = await this.token(calling.run);
        return await act(await this.channel(), { ...calling, token, headers: this.headers(calling.run) });
      } catch (error) {
        const patient = WritError.is(error) && away.has(error.code) && performance.now() < patientUntil;
        if (!this.#mayTryAgain(error, token, patient ? 1 : attempt, calling)) throw error;
        await this.pause(retryDelayMs(attempt), calling.signal);
      }
    }
  }

  #mayTryAgain(error: unknown, token: string | undefined, attempt: number, { run, signal }: Calling): boolean {
    if (!WritError.is(error) || signal?.aborted) return false;
    if (token !== undefined && staleToken.has(error.code)) {
      (run === undefined ? this.#own : this.#ofRun(run)).drop(token);
      return attempt === 1 && this.options.token === undefined;
    }
    if (error.code === 'service.unavailable') this.askAgainWhere();
    return error.retryable && error.code !== 'request.deadline_exceeded' && attempt < maxAttempts;
  }

  #ofRun(run: string): TokenCache {
    const found = this.#ofRuns.get(run);
    if (found) return found;
    const cache = new TokenCache(async () => {
      const [client, own, { audience }] = await Promise.all([this.#client(), this.token(), this.beginnings()]);
      return client.forRun(run, own, audience);
    });
    this.#ofRuns.set(run, cache);
    return cache;
  }

  #client(): Promise<OAuthClient> {
    this.#oauth ??= (async () => {
      const [{ issuer }, key] = await Promise.all([this.beginnings(), this.options.key!()]);
      return new OAuthClient(issuer, key, this.options.fetch);
    })().catch((error: unknown) => {
      this.#oauth = undefined;
      throw error;
    });
    return this.#oauth;
  }

  async #discover(): Promise<Beginnings> {
    const { url, fetch } = this.options;
    if (!URL.canParse(url))
      throw new WritError(`'${url}' is no URL of a platform`, {
        code: 'input.invalid',
        hint: 'set WRIT_URL to its address',
      });
    const unreachable = (why: string, cause?: unknown) =>
      new WritError(`no Writ at ${url}: ${why}`, {
        code: 'service.unavailable',
        retryable: true,
        cause,
        hint: 'is it running? set WRIT_URL to its address',
      });
    const response = await fetch(new URL('/.well-known/writ', url)).catch((cause: unknown) => {
      throw unreachable('it does not answer', cause);
    });
    const found = (await response.json().catch(() => ({}))) as Partial<Beginnings>;
    if (!response.ok || !found.issuer || !found.audience || !found.grpc) throw unreachable(`HTTP ${response.status}`);
    return found as Beginnings;
  }
}

/** Whether the door says of a call that nobody behind it was sent anything. */
function wasTurnedAway(error: unknown): boolean {
  return WritError.is(error) && (turnedAway.has(error.code) || error.details['sent'] === 'false');
}

/** @throws the reason of the signal */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, ms);
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', abort, { once: true });
  });
}
