import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { clientOf, GrpcChannel } from '@writ/api';
import type { TestClaims } from '@writ/enforcement/testing';
import { DomainError, type Json } from '@writ/ledger/domain';
import { EventService } from '@writ/proto/event/v1/event';
import { eventually, verifies } from '@writ/testkit';
import fc from 'fast-check';
import { framesOf, type Frame } from '../testing/event-stream.js';
import { Installation } from '../testing/installation.js';

/** What a subscriber is told of one event, the same over both transports. */
interface Seen {
  id: string;
  type: string;
  subject: string;
  position: string;
  cursor: string;
  data: unknown;
}
interface Query {
  types?: string[];
  subject?: string;
  run?: string;
  after?: string;
}
type Watch = (query: Query, signal: AbortSignal, claims?: TestClaims) => AsyncGenerator<Seen>;

let installation: Installation;
let channel: GrpcChannel;
beforeAll(async () => {
  installation = await Installation.start();
  channel = new GrpcChannel(installation.gateway.grpcUrl);
});
afterAll(async () => {
  channel.close();
  await installation[Symbol.asyncDispose]();
});

async function open(query: Query, signal: AbortSignal, claims: TestClaims = {}): Promise<Response> {
  const { types = [], ...rest } = query;
  const search = new URLSearchParams({ ...rest });
  for (const type of types) search.append('types', type);
  return fetch(`${installation.url}/v1/events?${search}`, {
    headers: { accept: 'text/event-stream', authorization: await installation.authorization(claims) },
    signal,
  });
}

function seenOf({ id, data }: Frame): Seen {
  const { event, cursor } = data as { event: Omit<Seen, 'cursor'>; cursor: string };
  expect(id).toBe(cursor);
  return { ...event, cursor };
}

function refusal(problem: unknown): DomainError {
  const { code, detail } = problem as { code: string; detail: string };
  return new DomainError(code, detail);
}

const overSse: Watch = async function* (query, signal, claims) {
  const response = await open(query, signal, claims);
  if (response.status !== 200) throw refusal(await response.json());
  for await (const frame of framesOf(response)) {
    if (frame.event === 'error') throw refusal(frame.data);
    if (frame.event === 'message' && frame.data['event'] !== undefined) yield seenOf(frame);
  }
};
const overGrpc: Watch = async function* (query, signal, claims) {
  const metadata = { authorization: await installation.authorization(claims) };
  const stream = clientOf(EventService, channel).watchEvents(query, { signal, metadata });
  for await (const { event, cursor } of stream)
    if (event) {
      const { id, type, subject, position } = event;
      yield { id, type, subject, position, cursor, data: event.data?.kind.value };
    }
};

async function firstCursor(signal: AbortSignal): Promise<string | undefined> {
  const metadata = { authorization: await installation.authorization() };
  for await (const { cursor } of clientOf(EventService, channel).watchEvents({}, { signal, metadata })) return cursor;
  return undefined;
}

/** The first `count`, then the connection is cut. */
async function take(watch: Watch, query: Query, count: number, claims?: TestClaims): Promise<Seen[]> {
  const leave = new AbortController();
  const all: Seen[] = [];
  for await (const seen of watch(query, leave.signal, claims)) if (all.push(seen) === count) break;
  leave.abort();
  return all;
}

describe.each([
  ['SSE', overSse],
  ['gRPC', overGrpc],
])('watching events over %s', (name, watch) => {
  const subject = (text: string) => `${name}-${text}`;

  test('types, subject and run choose, together', async () => {
    await installation.note(subject('a'), [{ data: 1 }, { data: 2, type: 'note.struck.v1' }]);
    await installation.note(subject('b'), [{ data: 3 }], { run: subject('run') });
    await installation.note(subject('b'), [{ data: { run: subject('run') } }]);
    await installation.note(subject('run'), [{ data: 5 }]);
    await installation.note(subject('end'), [{ data: 6, type: 'note.struck.v1' }]);
    const data = async (query: Query, count: number) =>
      (await take(watch, { after: 'start', ...query }, count)).map((seen) => JSON.stringify(seen.data)).sort();
    expect(await data({ subject: subject('a') }, 2)).toEqual(['1', '2']);
    expect(await data({ subject: subject('a'), types: ['note.struck.v1'] }, 1)).toEqual(['2']);
    expect(await data({ subject: subject('a'), types: ['note.w*'] }, 1)).toEqual(['1']);
    expect((await data({ run: subject('run') }, 3)).map((text) => text.slice(0, 2))).toEqual(['3', '5', '{"']);
  });

  test('from now on has a cursor at once, behind which nothing is lost', async () => {
    verifies('events.cursor_at_once');
    const leave = new AbortController();
    const begins =
      name === 'SSE'
        ? (await framesOf(await open({}, leave.signal)).next()).value?.id
        : await firstCursor(leave.signal);
    leave.abort();
    await installation.note(subject('unseen'));
    expect(await take(watch, { after: begins ?? '', subject: subject('unseen') }, 1)).toHaveLength(1);
  });

  test('without a cursor only what comes from now on is seen', async () => {
    await installation.note(subject('old'));
    const leave = new AbortController();
    const stream = watch({ types: ['note.*'] }, leave.signal);
    const first = stream.next();
    const writing = eventually(async () => {
      await installation.note(subject('new'));
      return Promise.race([first.then(() => true), new Promise((resolve) => setTimeout(resolve, 100))]);
    });
    expect((await first).value?.subject).toBe(subject('new'));
    await writing;
    leave.abort();
  });

  test('another tenant sees nothing of it, whatever it asks for', async () => {
    verifies('events.tenant_wall');
    const tenant = `tnt_${name}`;
    await installation.note(subject('mine'), [{ data: 'mine' }], { run: subject('r') });
    await installation.note(subject('theirs'), [{ data: 'theirs' }], { tenant });
    const theirs = await take(watch, { after: 'start' }, 1, { tenant });
    expect(theirs.map((seen) => seen.data)).toEqual(['theirs']);
    // A cursor of ours is worth no more in their hands, and no less.
    const [ours] = await take(watch, { after: 'start', subject: subject('mine') }, 1);
    const leave = new AbortController();
    const stream = watch({ after: ours!.cursor, subject: subject('mine') }, leave.signal, { tenant });
    const nothing = stream.next();
    await installation.note(subject('mine'), [{ data: 'again' }]);
    await installation.note(subject('mine'), [{ data: 'for them' }], { tenant });
    expect((await nothing).value?.data).toBe('for them');
    leave.abort();
  });

  test('going on behind a cursor loses nothing and repeats nothing, wherever the stream was cut', async () => {
    verifies('events.resume');
    const plan = fc.record({
      events: fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 1, max: 4 })), {
        minLength: 5,
        maxLength: 30,
      }),
      cuts: fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 20 }),
    });
    let round = 0;
    await fc.assert(
      fc.asyncProperty(plan, async ({ events, cuts }) => {
        const tenant = `tnt_${name}_${round++}`;
        const written: Promise<string>[] = [];
        const total = events.reduce((sum, [, count]) => sum + count, 0);
        const writing = (async () => {
          for (const [who, count] of events) {
            const drafts = Array.from({ length: count }, (_, at) => ({ data: at }));
            written.push(installation.note(`s${who}`, drafts, { tenant }));
            if (written.length % 3 === 0) await written.at(-1);
          }
        })();
        const seen: Seen[] = [];
        for (let turn = 0, after = 'start'; seen.length < total; turn++, after = seen.at(-1)!.cursor)
          seen.push(...(await take(watch, { after }, Math.min(cuts[turn] ?? total, total - seen.length), { tenant })));
        await writing;
        const inLedger = new Set<string>();
        for (let partition = 0; partition < 4; partition++)
          for await (const { events: all } of installation.ledger.read('memory', partition))
            for (const event of all) if (event.tenant === tenant) inLedger.add(event.id);
        expect(seen.map(({ id }) => id).sort()).toEqual([...inLedger].sort());
        expect(inLedger.size).toBe(total);
        inOrder(seen);
      }),
      { numRuns: 8, endOnFailure: true },
    );
  });

  test('a stream ends when the authority behind it is revoked, and when its token expires', async () => {
    verifies('events.revoked');
    const sub = `agt_${name}`;
    await installation.note(subject('cut'));
    // Its two seconds begin when its stream does, not when that of the revoked one did.
    for (const [claims, code] of [
      [() => ({ sub }), 'auth.revoked'],
      [() => ({ exp: Math.floor(Date.now() / 1000) + 2 }), 'auth.token_expired'],
    ] as const) {
      const stream = watch({ after: 'start', subject: subject('cut') }, new AbortController().signal, claims());
      expect((await stream.next()).value?.subject).toBe(subject('cut'));
      const rest = ended(stream);
      if (code === 'auth.revoked') await installation.identity.revoke(sub, 'agent');
      expect(await rest).toBe(code);
    }
  });

  test('a grant that names runs shows those, and not everything', async () => {
    verifies('api.resource_of_capability');
    const run = subject('narrow');
    await installation.note(run);
    await installation.note(subject('effect'), [{ data: 1 }], { run });
    const claims = { authorization_details: [{ type: 'writ' as const, actions: ['event.read'], resources: [run] }] };
    expect(await take(watch, { after: 'start', run }, 2, claims)).toHaveLength(2);
    for (const query of [{}, { run: subject('a') }, { subject: subject('a') }])
      expect(await ended(watch({ after: 'start', ...query }, new AbortController().signal, claims))).toBe(
        'auth.missing_capability',
      );
  });

  test('a word that is no cursor is refused', async () => {
    expect(await ended(watch({ after: 'yesterday' }, new AbortController().signal))).toBe('event.bad_cursor');
  });
});

describe('a stream that goes on', () => {
  test('an event whose data nests deep ends no stream', async () => {
    const data = JSON.parse(`${'['.repeat(85)}${']'.repeat(85)}`) as Json;
    await installation.note('deep', [{ data }, { data: 'next' }]);
    const [, next] = await take(overSse, { after: 'start', subject: 'deep' }, 2);
    expect(next?.data).toBe('next');
  });

  test('a subscriber that stops reading gets everything once it reads again', async () => {
    verifies('events.slow_subscriber');
    const text = 'x'.repeat(8 * 1024);
    const leave = new AbortController();
    const stream = overSse({ after: 'start', subject: 'slow' }, leave.signal);
    await installation.note('slow', [{ data: { text, number: 0 } }]);
    expect((await stream.next()).value?.data).toMatchObject({ number: 0 });
    for (let number = 1; number <= 1500; number++) await installation.note('slow', [{ data: { text, number } }]);
    for (let number = 1; number <= 1500; number++)
      expect(((await stream.next()).value?.data as { number: number }).number).toBe(number);
    leave.abort();
  });

  test('a restart of the broker neither ends a stream nor loses an event', async () => {
    const leave = new AbortController();
    const stream = overSse({ after: 'start', subject: 'restart' }, leave.signal);
    await installation.note('restart', [{ data: 1 }]);
    expect((await stream.next()).value?.data).toBe(1);
    await installation.backends.nats.kill();
    await installation.backends.nats.restart();
    await eventually(() => installation.note('restart', [{ data: 2 }]));
    expect((await stream.next()).value?.data).toBe(2);
    leave.abort();
  });
});

/** The code that the stream ends with. */
async function ended(stream: AsyncGenerator<Seen>): Promise<string | undefined> {
  return stream.next().then(
    () => undefined,
    (error: { code?: string }) => error.code,
  );
}

/** Within a partition there is one order: that of the ledger. */
function inOrder(seen: readonly Seen[]): void {
  const last = new Map<string, [number, number]>();
  for (const { position } of seen) {
    const [service, partition, commit, index] = position.split('/');
    const key = `${service}/${partition}`;
    const now: [number, number] = [Number(commit), Number(index)];
    const before = last.get(key) ?? [0, 0];
    expect(now[0] > before[0] || (now[0] === before[0] && now[1] > before[1])).toBe(true);
    last.set(key, now);
  }
}
