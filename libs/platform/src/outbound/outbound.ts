import { lookup, type LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import { promisify } from 'node:util';
import { DomainError, refuse } from '@writ/ledger/domain';
import { Agent, buildConnector, request, type Dispatcher } from 'undici';
import { AllowList } from './allow-list.js';
import { specialRangeOf } from './addresses.js';
import { AnswerTooLarge, webAnswer } from './answer.js';

/** Every address of a name. */
export type Resolve = (host: string) => Promise<LookupAddress[]>;

/** An address that may be called, as far as the name is concerned and as it was when it was resolved. */
export interface Destination {
  readonly url: URL;
  /** Connect to these, and do not resolve the name again. */
  readonly addresses: readonly LookupAddress[];
}

/** What is asked, as `fetch` takes it; a body is text. */
export interface Asked extends Pick<RequestInit, 'method' | 'headers' | 'signal'> {
  readonly body?: string | null;
}

/** Bytes of an answer, or of one event of a stream: what is larger is not read to its end. */
const MAX_BYTES = 32 * 1024 * 1024;
const RESOLVE_MS = 5_000;
const lookUp = promisify(lookup);
const systemResolver: Resolve = (host) => lookUp(host, { all: true, verbatim: true });

/**
 * The way to addresses that tenants give. They may lead to the public internet and to what the operator allows, and to
 * nothing else: not to this machine, its network or the metadata of its cloud. What a name resolves to is checked at
 * each connection and is what is connected to, so an answer that changes in between changes nothing. No redirect is followed.
 */
export class Outbound implements AsyncDisposable {
  private readonly allowed: AllowList;
  private readonly agent = new Agent({ connect: (options, done) => this.connect(options, done) });

  /** @param allow `WRIT_OUTBOUND_ALLOW` @throws Error that names an entry that is none */
  constructor(
    allow: readonly string[],
    private readonly resolve: Resolve = systemResolver,
  ) {
    this.allowed = new AllowList(allow);
  }

  /** Checks an address now; for those who connect themselves. @throws DomainError `outbound.*` */
  async check(address: string | URL): Promise<Destination> {
    const url = urlOf(address);
    return { url, addresses: await this.addressesOf(url.hostname, portOf(url)) };
  }

  /**
   * `fetch`, to where it may go; what answers is read to its end first, but for a stream of events.
   *
   * @throws DomainError `outbound.*`; AnswerTooLarge; the reason of `signal`; TypeError as `fetch` where the network fails
   */
  readonly fetch = async (address: string | URL, asked: Asked = {}): Promise<Response> => {
    const url = urlOf(address);
    try {
      return await this.send(url, asked);
    } catch (error) {
      if (error instanceof DomainError || error instanceof AnswerTooLarge || asked.signal?.aborted) throw error;
      throw new TypeError('fetch failed', { cause: error });
    }
  };

  /** Ends what is open. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.agent.destroy();
  }

  /** By undici's `request`: its `fetch` costs three times as much. */
  private async send(url: URL, { method = 'GET', headers, body = null, signal = null }: Asked): Promise<Response> {
    const named = { ...Object.fromEntries(new Headers(headers)), 'user-agent': 'writ', 'accept-encoding': 'identity' };
    const options = { method: method as Dispatcher.HttpMethod, headers: named, body, signal, dispatcher: this.agent };
    const answer = await request(url, options);
    const { statusCode: status } = answer;
    if (status < 300 || status > 399 || status === 304) return webAnswer(answer, MAX_BYTES);
    await answer.body.dump();
    throw refuse('outbound.redirected', `${url.origin} redirects (${status}); give the address that it leads to`);
  }

  private connect(options: buildConnector.Options, done: buildConnector.Callback): void {
    const port = options.port || (options.protocol === 'https:' ? '443' : '80');
    this.addressesOf(options.hostname, port).then(
      (addresses) => {
        const pinned = (_host: string, _options: object, give: (error: null, found: LookupAddress[]) => void): void =>
          give(null, [...addresses]);
        buildConnector({ allowH2: false, autoSelectFamily: true, lookup: pinned as never })(options, done);
      },
      (error: Error) => done(error, null),
    );
  }

  private async addressesOf(hostname: string, port: string): Promise<readonly LookupAddress[]> {
    const host = hostname.replace(/^\[|\]$|\.$/g, '').toLowerCase();
    const family = isIP(host);
    const addresses = family === 0 ? await this.resolved(host) : [{ address: host, family }];
    if (this.allowed.hasName(host, port)) return addresses;
    for (const { address } of addresses) {
      const range = specialRangeOf(address);
      if (range === undefined || this.allowed.hasAddress(address, port)) continue;
      // Not which address: names of an inside network are not to be told to whoever asks.
      const setting = `${family === 6 ? `[${host}]` : host}:${port}`;
      const why = `${host} leads to an address that is not public (${range}); WRIT_OUTBOUND_ALLOW=${setting} would allow it`;
      throw refuse('outbound.address_refused', why, { host, port, range });
    }
    return addresses;
  }

  private async resolved(host: string): Promise<LookupAddress[]> {
    const late = new DomainError('outbound.unknown_host', `${host} was not resolved within ${RESOLVE_MS} ms`, { host });
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<never>((_, reject) => (timer = setTimeout(reject, RESOLVE_MS, late)));
    try {
      return await Promise.race([this.resolve(host), tooLate]);
    } catch (error) {
      if (error === late) throw late;
      const { code = 'no answer' } = error as { code?: string };
      throw new DomainError(
        'outbound.unknown_host',
        `${host} cannot be resolved (${code})`,
        { host },
        { cause: error },
      );
    } finally {
      clearTimeout(timer);
    }
  }
}

/** What is refused must not be repeated where it may hold a password. */
function urlOf(address: string | URL): URL {
  const url = URL.canParse(String(address)) ? new URL(address) : undefined;
  if (url === undefined) throw refuse('outbound.url_refused', 'it is not a URL');
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw refuse('outbound.url_refused', `${url.protocol} is not http: or https:`);
  if (url.username !== '' || url.password !== '')
    throw refuse('outbound.url_refused', `credentials do not belong into an address, which is recorded (${url.host})`);
  return url;
}

const portOf = ({ port, protocol }: URL): string => port || (protocol === 'https:' ? '443' : '80');
