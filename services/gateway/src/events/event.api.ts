import { Inject } from '@nestjs/common';
import { abortable, ApiService, eventMessage, mustHold, type Caller, type ServiceImplementation } from '@writ/api';
import type { Enforcement } from '@writ/enforcement';
import { refuse, type DomainError } from '@writ/ledger/domain';
import { ENFORCEMENT } from '@writ/platform';
import { EventService, type WatchEventsRequest } from '@writ/proto/event/v1/event';
import { everyPartition, formatCursor, parseCursor, type Cursor } from './cursor.js';
import { EventHub, type Delivery } from './event-hub.js';

/** Implements `writ.event.v1.EventService`. */
@ApiService(EventService)
export class EventApi implements ServiceImplementation<typeof EventService> {
  constructor(
    @Inject(EventHub) private readonly hub: EventHub,
    @Inject(ENFORCEMENT) private readonly enforcement: Enforcement,
  ) {}

  async *watchEvents(request: WatchEventsRequest, caller: Caller) {
    mustHold(caller, 'event.read', request.run || request.subject);
    const filter = {
      tenant: caller.tenant,
      types: request.types,
      ...(request.subject !== '' && { subject: request.subject }),
      ...(request.run !== '' && { run: request.run }),
    };
    const from = await this.startOf(request.after);
    // A stream outlives the check at its start: it ends when the authority is revoked, and when the token expires.
    using watched = await this.enforcement.watch(caller);
    const expired = new AbortController();
    const timer = setTimeout(() => expired.abort(tokenExpired()), caller.expires.getTime() - Date.now());
    const signal = AbortSignal.any([caller.signal, watched.signal, expired.signal]);
    try {
      // Nothing may come for hours; whoever leaves before has where to go on.
      if (request.after === '') yield { cursor: formatCursor(from) };
      for await (const delivery of abortable(this.hub.subscribe(from, filter, signal), signal))
        yield messageOf(delivery);
    } finally {
      clearTimeout(timer);
    }
  }

  private async startOf(after: string): Promise<Cursor> {
    if (after === '') return this.hub.now();
    return after === 'start' ? { commits: everyPartition.map(() => 0) } : parseCursor(after);
  }
}

function tokenExpired(): DomainError {
  return refuse('auth.token_expired', 'the token has expired; go on with a new one behind the last cursor');
}

function messageOf({ event, position, cursor }: Delivery) {
  return { cursor, event: eventMessage(event, position) };
}
