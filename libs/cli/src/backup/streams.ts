import { createHash } from 'node:crypto';
import { jetstream, type StreamConfig, type StreamInfo } from '@nats-io/jetstream';
import { headers as newHeaders, type MsgHdrs } from '@nats-io/transport-node';
import { Refused } from '../failure/refused.js';
import type { Broker } from './broker.js';
import type { BackedUpStream } from './manifest.js';
import type { Message } from './messages.js';

/** Names of the ledger's streams, its reactors' checkpoints, and the blob store. The rest is a cache, or lives in memory. */
const kinds: readonly (readonly [BackedUpStream['kind'], RegExp])[] = [
  ['state', /^KV_ledger$/],
  ['ledger', /^LEDGER_[A-Z_]+_\d\d$/],
  ['blobs', /^OBJ_blobs$/],
];
/** Where the newest snapshot of a partition is: a cache, which is not in a backup. */
const CACHE = /^\$KV\.ledger\.snapshot\./;
const CHAIN_START = '0'.repeat(64);
/** Messages on their way at once while restoring. */
const WINDOW = 200;
const SILENCE_MS = 10_000;

export interface FoundStream {
  readonly kind: BackedUpStream['kind'];
  readonly config: StreamConfig;
}

/**
 * What has to be saved, in the order in which it must be: checkpoints of reactors before the ledger (an older one repeats
 * what is harmless, a newer one would leave something out), blobs after it (every one that the ledger names is there by then).
 */
export async function findStreams({ jsm }: Broker): Promise<FoundStream[]> {
  const found: FoundStream[] = [];
  for await (const { config } of jsm.streams.list()) {
    const [kind] = kinds.find(([, pattern]) => pattern.test(config.name)) ?? [];
    if (kind) found.push({ kind, config });
  }
  const order = kinds.map(([kind]) => kind);
  return found.sort(
    (a, b) => order.indexOf(a.kind) - order.indexOf(b.kind) || a.config.name.localeCompare(b.config.name),
  );
}

/** The messages of a stream that the broker had stored before `cut`; all of them, where it is not given. */
export async function* readStream({ nc, jsm }: Broker, name: string, cut?: Date): AsyncGenerator<Message> {
  const { state }: StreamInfo = await jsm.streams.info(name);
  if (state.messages === 0) return;
  const consumer = await jetstream(nc).consumers.get(name);
  const messages = await consumer.consume();
  const silence = setTimeout(() => messages.stop(), SILENCE_MS);
  let last = 0;
  try {
    for await (const message of messages) {
      silence.refresh();
      if (cut && message.time.getTime() >= cut.getTime()) return;
      last = message.seq;
      if (!CACHE.test(message.subject))
        yield { seq: message.seq, subject: message.subject, headers: pairs(message.headers), body: message.data };
      if (message.seq >= state.last_seq || message.info.pending === 0) return;
    }
    throw damaged(name, `nothing can be read after message ${last} of ${state.last_seq}`);
  } finally {
    clearTimeout(silence);
    await messages.close();
  }
}

/** Passes on what follows from one to the next, hash by hash. @throws Refused `cli.damaged_ledger` at the first that does not */
export async function* chained(name: string, messages: AsyncIterable<Message>): AsyncGenerator<Message> {
  let [prev, next] = [CHAIN_START, 1];
  for await (const message of messages) {
    const named = message.headers.find(([header]) => header.toLowerCase() === 'writ-prev')?.[1];
    if (message.seq !== next) throw damaged(name, `commit ${next} is missing`);
    if (named !== prev) throw damaged(name, `commit ${next} does not follow commit ${next - 1}, which was changed`);
    prev = createHash('sha256').update(message.body).digest('hex');
    next++;
    yield message;
  }
}

function damaged(name: string, what: string): Refused {
  return new Refused('cli.damaged_ledger', `the stream ${name} is damaged: ${what}`, {
    hint: '`writ audit check` names all that is wrong; restore an earlier backup, or keep the data folder as it is',
  });
}

/**
 * Makes the stream and fills it. Commits of a ledger get the number that they had: each carries the header that lets the broker
 * store it nowhere else.
 */
export async function fillStream(
  { nc, jsm }: Broker,
  stream: FoundStream,
  messages: AsyncIterable<Message>,
): Promise<void> {
  const { metadata: _serverOwn, ...config } = stream.config;
  await jsm.streams.add(config);
  const [js, onTheWay] = [jetstream(nc), new Set<Promise<void>>()];
  for await (const { seq, subject, headers, body } of messages) {
    // What a key's owner expected of the sequence is of the broker that was, but for a ledger, whose sequence is the same.
    const kept = stream.kind === 'ledger' ? headers : headers.filter(([header]) => !/^nats-expected-/i.test(header));
    const stored = js.publish(subject, body, { headers: headersOf(kept) }).then((ack) => {
      if (stream.kind === 'ledger' && ack.seq !== seq)
        throw new Error(`commit ${seq} of ${config.name} was stored as ${ack.seq}`);
    });
    onTheWay.add(stored);
    void stored.finally(() => onTheWay.delete(stored)).catch(() => {});
    if (onTheWay.size >= WINDOW) await Promise.race(onTheWay);
  }
  await Promise.all(onTheWay);
}

function pairs(headers: MsgHdrs | undefined): [string, string][] {
  return headers
    ? headers.keys().flatMap((name) => headers.values(name).map((value): [string, string] => [name, value]))
    : [];
}

function headersOf(all: Message['headers']): MsgHdrs {
  const headers = newHeaders();
  for (const [name, value] of all) headers.append(name, value);
  return headers;
}
