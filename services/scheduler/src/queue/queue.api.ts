import { durationFromMs, durationMs, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Inject } from '@nestjs/common';
import { ApiService, type Caller, type ServiceImplementation } from '@writ/api';
import type { Host, Ledger } from '@writ/ledger';
import { refuse } from '@writ/ledger/domain';
import { HOST, LEDGER } from '@writ/platform';
import {
  QueueService,
  type GetQueueRequest,
  type ListQueuesRequest,
  type QueueLimits,
  type QueueRate,
  type SetQueueRequest,
} from '@writ/proto/queue/v1/queue';
import { may, maySee } from '../api/may.js';
import { SCHEDULER } from '../api/tokens.js';
import { positionOf } from '../partition/owners.js';
import { teach } from '../partition/teach.js';
import type { Scheduler } from '../scheduler.js';
import { reach } from '../view/reach.js';
import { homeOf } from './queues.js';
import type { Limits, Rate } from './queue.events.js';
import type { QueueRow } from './queue.view.js';

/** Implements `writ.queue.v1.QueueService`. The resource of `queue.read` and `queue.write` is the queue. */
@ApiService(QueueService)
export class QueueApi implements ServiceImplementation<typeof QueueService> {
  constructor(
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    @Inject(LEDGER) private readonly ledger: Ledger,
    @Inject(HOST) private readonly host: Host,
  ) {}

  async setQueue({ name, limits: given }: SetQueueRequest, caller: Caller) {
    const { tenant, actor, trace } = caller;
    may(caller, 'queue.write', name);
    if (name.includes('\n')) throw refuse('queue.bad_limits', 'the name of a queue is one line');
    const command = { type: 'set' as const, limits: limitsOf(given) };
    const home = homeOf(tenant, name);
    const { position } = await this.scheduler.runs.send({
      tenant, actor, aggregate: 'queue', subject: name, command, partition: home, ...(trace !== undefined && { trace }),
    }); // prettier-ignore
    const { revision = 0, limits = {} } = await this.scheduler.owners.queue(tenant, name);
    const content = { revision, limits };
    if (revision > 0) await teach(this.scheduler.runs, { tenant, actor, aggregate: 'queue', subject: name, content });
    return { revision, position };
  }

  async getQueue({ name, after }: GetQueueRequest, caller: Caller) {
    const { tenant } = caller;
    may(caller, 'queue.read', name);
    // Up to what its partition has recorded, so that nobody reads a state that was over before they asked.
    const home = homeOf(tenant, name);
    await reach(this.host, after || positionOf(home, await this.ledger.last('scheduler', home)));
    const row = await this.scheduler.queues.find(tenant, name);
    if (!row) throw refuse('queue.not_found', `queue ${name} has no limits`, { queue: name });
    const { holding, waiting } = await this.scheduler.owners.queue(tenant, name);
    return { queue: { ...messageOf(row), holding, waiting } };
  }

  async listQueues({ pageSize, pageToken, after }: ListQueuesRequest, caller: Caller) {
    await reach(this.host, after);
    const limit = pageSize || 50;
    const rows = await this.scheduler.queues.list(caller.tenant, limit + 1, pageToken);
    const page = rows.slice(0, limit);
    return {
      queues: page.filter(({ name }) => maySee(caller, 'queue.read', name)).map(messageOf),
      nextPageToken: rows.length > limit ? (page.at(-1)?.name ?? '') : '',
    };
  }
}

function limitsOf(given: QueueLimits | undefined): Limits {
  if (!given) return {};
  const { concurrency, keyConcurrency, key, cost, shares } = given;
  const [rate, keyRate] = [rateOf(given.rate), rateOf(given.keyRate)];
  return {
    ...(concurrency > 0 && { concurrency }),
    ...(keyConcurrency > 0 && { keyConcurrency }),
    ...(key !== '' && { key }),
    ...(rate && { rate }),
    ...(keyRate && { keyRate }),
    ...(cost !== '' && { cost }),
    ...(Object.keys(shares).length > 0 && { shares: { ...shares } }),
  };
}

function rateOf(rate: QueueRate | undefined): Rate | undefined {
  return rate && { count: rate.count, periodMs: rate.period ? durationMs(rate.period) : 0 };
}

function messageOf({ name, limits, revision, updated_ms, updated_by }: QueueRow) {
  const rate = (each: Rate | undefined) => each && { count: each.count, period: durationFromMs(each.periodMs) };
  const [whole, one] = [rate(limits.rate), rate(limits.keyRate)];
  return {
    name,
    limits: {
      concurrency: limits.concurrency ?? 0,
      keyConcurrency: limits.keyConcurrency ?? 0,
      key: limits.key ?? '',
      cost: limits.cost ?? '',
      shares: limits.shares ?? {},
      ...(whole && { rate: whole }),
      ...(one && { keyRate: one }),
    },
    revision,
    updateTime: timestampFromMs(updated_ms),
    by: updated_by,
  };
}
