import { Refused, type Problem } from '../failure/refused.js';
import type { Beginnings } from './identity.js';
import type { Route } from './route.js';
import { serverSentEvents, type Frame } from './server-sent-events.js';

export interface ClientOptions {
  readonly url: string;
  /** Of the tenant to act in; operators only. */
  readonly project: string | undefined;
  /** A valid access token. @throws Refused where there is no identity */
  token(): Promise<string>;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Said with every failure to reach the server. */
  readonly unreachableHint: string;
}

type Fields = Record<string, unknown>;

const maxAttempts = 4;

/** The REST API by its routes. Every failure is a `Refused` with the server's own problem document, where it sent one. */
export class ApiClient {
  #beginnings: Promise<Beginnings> | undefined;

  constructor(readonly options: ClientOptions) {}

  /** Where the server says that a client begins; asked once. @throws Refused `service.unavailable` where there is no Writ */
  beginnings(): Promise<Beginnings> {
    return (this.#beginnings ??= this.discover());
  }

  /** One request, one answer: its JSON body, field for field. What the server says may heal is tried again. */
  async call<I, O>(route: Route<I, O>, request: Partial<I>, more: { timeoutMs?: number } = {}): Promise<O> {
    const { signal } = this.options;
    const deadline = AbortSignal.timeout(more.timeoutMs ?? this.options.timeoutMs);
    for (let attempt = 1; ; attempt++) {
      const response = await this.send(route, request as Fields, AbortSignal.any([signal, deadline]));
      if (response.ok) return (await this.read(response, deadline)) as O;
      const again = response.status === 503 && response.headers.has('retry-after') && attempt < maxAttempts;
      const refused = await refusalOf(response);
      if (!again) throw refused;
      await pause(150 * 3 ** (attempt - 1), signal);
    }
  }

  /** One request, many answers, until the server ends them or the caller leaves the loop. */
  async *stream<I, O>(route: Route<I, O>, request: Partial<I>): AsyncGenerator<Frame<O>, void, undefined> {
    const leave = new AbortController();
    const signal = AbortSignal.any([this.options.signal, leave.signal]);
    try {
      const response = await this.send(route, request as Fields, signal, 'text/event-stream');
      if (!response.ok) throw await refusalOf(response);
      yield* serverSentEvents<O>(response.body as ReadableStream<Uint8Array>, () => this.lost('the stream broke off'));
    } finally {
      leave.abort();
    }
  }

  /** What stands at a path that is not of the contract, such as `/.well-known/writ`; no token goes along. */
  async fetch(path: string, timeoutMs = this.options.timeoutMs): Promise<Response> {
    const deadline = AbortSignal.timeout(timeoutMs);
    return this.ask(new URL(path, this.options.url), {}, AbortSignal.any([this.options.signal, deadline]));
  }

  private async discover(): Promise<Beginnings> {
    const response = await this.fetch('/.well-known/writ');
    const found = (await response.json().catch(() => ({}))) as Partial<Beginnings>;
    if (response.ok && found.issuer && found.audience) return found as Beginnings;
    const { url, unreachableHint: hint } = this.options;
    throw new Refused('service.unavailable', `what listens at ${url} is not Writ (HTTP ${response.status})`, { hint });
  }

  private async send(route: Route, request: Fields, signal: AbortSignal, accept = 'application/json') {
    const { path, rest } = placed(route.path, request);
    const url = new URL(path, this.options.url);
    const body = route.verb === 'POST' || route.verb === 'PUT';
    if (!body) for (const [name, value] of parametersOf(rest)) url.searchParams.append(name, value);
    const headers: Record<string, string> = { accept };
    if (body) headers['content-type'] = 'application/json';
    if (!route.public) headers['authorization'] = `Bearer ${await this.options.token()}`;
    if (!route.public && this.options.project !== undefined) headers['writ-tenant'] = this.options.project;
    return this.ask(url, { method: route.verb, headers, ...(body && { body: JSON.stringify(rest) }) }, signal);
  }

  private async ask(url: URL, init: RequestInit, signal: AbortSignal): Promise<Response> {
    try {
      return await fetch(url, { ...init, signal });
    } catch (cause) {
      throw this.failed(cause);
    }
  }

  private async read(response: Response, deadline: AbortSignal): Promise<unknown> {
    try {
      return await response.json();
    } catch (cause) {
      if (deadline.aborted || this.options.signal.aborted) throw this.failed(cause);
      throw new Refused('service.unavailable', `${response.url} does not answer with JSON: it is not Writ`, { cause });
    }
  }

  private failed(cause: unknown): unknown {
    if (this.options.signal.aborted) return this.options.signal.reason;
    if ((cause as Error).name === 'TimeoutError')
      return new Refused('request.deadline_exceeded', `${this.options.url} gave no answer in time`, {
        hint: 'give it longer with --timeout <seconds>',
      });
    return this.lost(reasonOf(cause), cause);
  }

  private lost(why: string, cause?: unknown): Refused {
    const { url, unreachableHint: hint } = this.options;
    return new Refused('service.unavailable', `no Writ at ${url}: ${why}`, { hint, cause });
  }
}

/** What `fetch` hides behind "fetch failed". */
function reasonOf(error: unknown): string {
  const { code, message } = ((error as Error).cause ?? error) as { code?: string; message?: string };
  return code === 'ECONNREFUSED' ? 'nothing listens there' : (message ?? code ?? 'it does not answer');
}

async function refusalOf(response: Response): Promise<Refused> {
  const text = await response.text().catch(() => '');
  const known = parsed(text) as Partial<Problem> | undefined;
  if (known?.code !== undefined && known.detail !== undefined) return Refused.by(known as Problem);
  const code = response.status >= 500 ? 'service.unavailable' : 'request.failed';
  return new Refused(code, `HTTP ${response.status} of ${response.url}`, { status: response.status });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Fields of the request go where the path names them; the rest is left. */
function placed(template: string, request: Fields): { path: string; rest: Fields } {
  const rest = { ...request };
  const path = template.replace(/\{(\w+)\}/g, (_match, name: string) => {
    const value = rest[name];
    delete rest[name];
    return encodeURIComponent(String(value));
  });
  return { path, rest };
}

function parametersOf(fields: Fields): [string, string][] {
  return Object.entries(fields).flatMap(([name, value]) => {
    if (value === undefined || value === '') return [];
    return (Array.isArray(value) ? value : [value]).map((each): [string, string] => [name, String(each)]);
  });
}

/** @throws the reason of the signal */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { setTimeout: wait } = await import('node:timers/promises');
  await wait(ms, undefined, { signal }).catch(() => {
    throw signal.reason;
  });
}
