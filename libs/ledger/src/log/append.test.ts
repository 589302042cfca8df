import { expect, test } from '@jest/globals';
import type { MsgHdrs } from '@nats-io/nats-core';
import { verifies } from '@writ/testkit';
import type { Answered } from '../requests.js';
import type { LedgerSource } from '../source.js';
import { append, type Append } from './append.js';

const commit: Append = {
  address: { service: 'svc', partition: 0 },
  body: Buffer.from('{}'),
  after: 4,
  epoch: 2,
  prev: 'hash',
};

/**
 * A stream as `append` sees it, made up: it reads in order. Each publish meets the next of `fates`, and after them is stored:
 * `lost` never arrives, `late` is stored and its answer is given up, `dropped` is read by a stream that cannot write.
 */
function stream(...fates: ('lost' | 'late' | 'dropped')[]) {
  const stored: number[] = [];
  const answer = (reply: object): Promise<Answered> => Promise.resolve({ json: () => reply } as unknown as Answered);
  let frozen = false;
  let arrives = true;
  const ask = (_subject: string, _body: Uint8Array, _ms: number, head?: MsgHdrs): Promise<Answered> => {
    if (head?.has('Nats-Expected-Stream'))
      return arrives ? answer({ error: { code: 400, err_code: 10060, description: 'another stream' } }) : silence();
    const fate = fates.shift();
    arrives = fate !== 'lost';
    if (!arrives) return silence();
    frozen ||= fate === 'dropped';
    if (frozen) return silence();
    if (stored.length > 0) return answer({ error: { code: 400, err_code: 10071, description: 'wrong last sequence' } });
    stored.push(commit.after + 1);
    return fate === 'late' ? silence() : answer({ seq: commit.after + 1 });
  };
  const own = { header: new Map([['Writ-Epoch', String(commit.epoch)]]), data: commit.body };
  const getMessage = () => Promise.resolve(stored.length > 0 ? own : null);
  const source = {
    requests: { ask },
    jsm: { streams: { getMessage } },
    nc: { isClosed: () => false },
    connected: () => true,
    replicated: false,
  };
  return { source: source as unknown as LedgerSource, stored };
}

/** A time-out, without the time. */
function silence(): Promise<Answered> {
  return new Promise((resolve) => setImmediate(() => resolve('timeout')));
}

const never = new AbortController().signal;

test('a publish without an answer is repeated until it has one, and no disk is taken for full', async () => {
  verifies('ledger.disk_full');
  const { source, stored } = stream('lost', 'lost', 'lost');
  expect(await append(source, commit, never)).toEqual({ outcome: 'stored' });
  expect(stored).toEqual([5]);
});

test('one that was stored without an answer is found by its repetition', async () => {
  verifies('ledger.unknown_outcome');
  const { source, stored } = stream('late', 'lost');
  expect(await append(source, commit, never)).toEqual({ outcome: 'stored' });
  expect(stored).toEqual([5]);
});

test('a stream that reads a publish and neither stores nor refuses it has no room', async () => {
  verifies('ledger.disk_full');
  const { source, stored } = stream('dropped');
  expect(await append(source, commit, never)).toMatchObject({ outcome: 'full', known: false });
  expect(stored).toEqual([]);
});
