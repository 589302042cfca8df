import type {
  CaseService,
  CountRequest,
  CreateItemRequest,
  EchoRequest,
  GetItemRequest,
  ListItemsRequest,
  MeRequest,
  StopItemRequest,
  SumRequest,
  UpdateItemRequest,
} from '@writ/proto/testing/v1/case';
import { CaseService as Service } from '@writ/proto/testing/v1/case';
import { refuse, type ErrorCatalogue } from '@writ/ledger/domain';
import type { Caller } from '../kernel/caller.js';
import type { ServiceImplementation } from '../kernel/implementation.js';
import { ApiService } from '../nest/api-service.js';

export const caseErrors = {
  'item.not_found': { status: 404, title: 'There is no such item', hint: 'list the items' },
  'item.busy': { status: 409, title: 'The item is busy', retry: true },
} as const satisfies ErrorCatalogue;

/** Answers with what it was asked, so that a test sees what arrived; counts what is still running. */
@ApiService(Service)
export class CaseApi implements ServiceImplementation<typeof CaseService> {
  /** Streams that have begun and not ended: a cancelled one must leave. */
  open = 0;
  /** Frames handed to the transport so far. */
  counted = 0;
  calls = 0;
  /** What a call with the reason `slow` waits for. */
  slow: Promise<void> = Promise.resolve();
  /** Of the calls so far. */
  readonly signals: AbortSignal[] = [];

  async getItem(request: GetItemRequest, _caller: Caller) {
    this.calls++;
    if (request.id === 'missing') throw refuse('item.not_found', `there is no item ${request.id}`, { id: request.id });
    if (request.id === 'busy') throw refuse('item.busy', 'someone else has it');
    if (request.id === 'unknown_code') throw refuse('item.nobody_registered_this', 'secret text');
    if (request.id === 'bug') throw new TypeError('secret text');
    return { item: { id: request.id, name: request.name } };
  }

  async listItems(request: ListItemsRequest) {
    return { request };
  }

  async createItem({ item }: CreateItemRequest) {
    return item === undefined ? {} : { item };
  }

  async updateItem({ item, updateMask }: UpdateItemRequest) {
    return { ...(item && { item }), ...(updateMask && { updateMask }) };
  }

  async stopItem({ id, reason, requestId, etag }: StopItemRequest, caller: Caller) {
    this.calls++;
    this.signals.push(caller.signal);
    if (reason === 'wait') await aborted(caller.signal);
    if (reason === 'slow') await this.slow;
    return { id, reason, requestId, etag };
  }

  async me(_request: MeRequest, caller: Caller) {
    return { caller: caller.principal };
  }

  async ping(_request: object, caller: Caller) {
    this.signals.push(caller.signal);
    return { caller: caller.principal };
  }

  async *count({ after, to, ending }: CountRequest, caller: Caller) {
    this.open++;
    this.signals.push(caller.signal);
    try {
      for (let number = after + 1n; number <= to; number++) {
        this.counted++;
        yield { number, cursor: String(number) };
      }
      if (ending === 'refuse') throw refuse('item.busy', 'no more for you');
      if (ending === 'break') throw new TypeError('secret text');
      if (ending === 'hang') await aborted(caller.signal);
    } finally {
      this.open--;
    }
  }

  async sum(requests: AsyncIterable<SumRequest>, caller: Caller) {
    this.open++;
    this.signals.push(caller.signal);
    try {
      let [sum, frames] = [0n, 0n];
      for await (const { number } of requests) {
        sum += number;
        frames++;
        if (number === 13n) throw refuse('item.busy', 'thirteen');
        if (number === 99n) break;
      }
      return { sum, frames };
    } finally {
      this.open--;
    }
  }

  async *echo(requests: AsyncIterable<EchoRequest>, caller: Caller) {
    this.open++;
    this.signals.push(caller.signal);
    try {
      for await (const { text, items } of requests) {
        if (text === 'refuse') throw refuse('item.busy', 'not this one');
        if (text === 'stop') return;
        yield { text, items };
      }
    } finally {
      this.open--;
    }
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
