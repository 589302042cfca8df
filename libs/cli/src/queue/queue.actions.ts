import type { Answer } from '../api/route.js';
import { routes } from '../api/routes.js';
import type { Call } from '../command/call.js';
import { durationOf } from '../command/input.js';
import { Refused } from '../failure/refused.js';
import type { Column } from '../output/table.js';
import { ago } from '../output/text.js';

type Queue = Answer<typeof routes.listQueues>['queues'][number];
type Rate = NonNullable<NonNullable<Queue['limits']>['rate']>;

const columns: readonly Column<Queue>[] = [
  { head: 'NAME', of: ({ name }) => name },
  { head: 'AT ONCE', of: ({ limits }) => many(limits?.concurrency) },
  { head: 'OF A KEY', of: ({ limits }) => many(limits?.keyConcurrency) },
  { head: 'RATE', of: ({ limits }) => rateText(limits?.rate) },
  { head: 'OF A KEY', of: ({ limits }) => rateText(limits?.keyRate) },
  { head: 'KEY', of: ({ limits }) => limits?.key ?? '', flexible: true },
  { head: 'CHANGED', of: ({ updateTime }) => ago(updateTime) },
];

interface Limits {
  concurrency?: number | undefined;
  keyConcurrency?: number | undefined;
  key?: string | undefined;
  rate?: string | undefined;
  keyRate?: string | undefined;
  cost?: string | undefined;
  share: string[];
  lift: boolean;
}

export async function set(call: Call, name: string, { lift, share, rate, keyRate, ...numbers }: Limits): Promise<void> {
  const { concurrency = 0, keyConcurrency = 0, key = '', cost = '' } = numbers;
  const shares = Object.fromEntries(share.map(shareOf));
  const limits = {
    concurrency, keyConcurrency, key, cost, shares,
    ...(rate !== undefined && { rate: rateOf(rate, '--rate') }),
    ...(keyRate !== undefined && { keyRate: rateOf(keyRate, '--key-rate') }),
  }; // prettier-ignore
  const some = concurrency || keyConcurrency || rate !== undefined || keyRate !== undefined;
  if (lift === Boolean(some))
    throw new Refused(
      'cli.usage',
      'give a --concurrency, a --key-concurrency, a --rate or a --key-rate, or --lift and none of them',
    );
  const body = await (await call.api()).call(routes.setQueue, { name, limits: limits as never });
  call.out.receipt(
    body,
    name,
    lift ? 'has no limits any more' : `is held to this from now on (revision ${body.revision})`,
  );
}

export async function get(call: Call, name: string): Promise<void> {
  const body = await (await call.api()).call(routes.getQueue, { name });
  const { limits, revision, updateTime, by, holding, waiting } = body.queue as Queue;
  call.out.thing(body, {
    name,
    fields: [
      ['name', name],
      ['at once', many(limits?.concurrency)],
      ['of a key', many(limits?.keyConcurrency)],
      ['rate', rateText(limits?.rate)],
      ['key rate', rateText(limits?.keyRate)],
      ['key', limits?.key],
      ['cost', limits?.cost],
      ['shares', Object.entries(limits?.shares ?? {}).map(([key, share]) => `${key}=${share}`).join(', ')],
      ['now', `${holding} go on, ${waiting} wait`],
      ['changed', updateTime && `${updateTime} (${ago(updateTime)}) by ${by}, revision ${revision}`],
    ],
  }); // prettier-ignore
}

export async function list(
  call: Call,
  options: { limit?: number | undefined; pageToken?: string | undefined },
): Promise<void> {
  const { limit: pageSize = 50, pageToken = '' } = options;
  const body = await (await call.api()).call(routes.listQueues, { pageSize, pageToken });
  const { queues: rows, nextPageToken: more } = body;
  call.out.list(body, { rows, columns, name: ({ name }) => name, empty: 'no queue has limits', more });
}

function rateOf(given: string, what: string) {
  const [, count, period] = /^(\d+)\/(\w+)$/.exec(given) ?? [];
  if (!count || !period) throw new Refused('cli.bad_input', `${what} is no rate: '${given}'`, { hint: '100/1m, 5/1s' });
  return { count: Number(count), period: durationOf(period, what) };
}

function shareOf(given: string): [key: string, share: number] {
  const [, key, share] = /^(.+)=(\d+)$/.exec(given) ?? [];
  if (!key) throw new Refused('cli.bad_input', `--share is no share: '${given}'`, { hint: 'big-customer=3' });
  return [key, Number(share)];
}

function many(count: number | undefined): string {
  return count ? String(count) : '';
}

function rateText(rate: Rate | undefined): string {
  return rate ? `${rate.count}/${rate.period ?? ''}` : '';
}
