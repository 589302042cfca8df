import { Inject } from '@nestjs/common';
import { abortable, ApiService, mustHold, type Caller, type ServiceImplementation } from '@writ/api';
import type { Enforcement } from '@writ/enforcement';
import { refuse, type DomainError } from '@writ/ledger/domain';
import { ENFORCEMENT } from '@writ/platform';
import { EventService, type WatchEventsRequest } from '@writ/proto/event/v1/event';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { timestampFromDate, ValueSchema } from '@bufbuild/protobuf/wkt';
import { everyPartition, parseCursor, type Cursor } from './cursor.js';
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
    const from = this.startOf(request.after);
    // A stream outlives the check at its start: it ends when the authority is revoked, and when the token expires.
    using watched = await this.enforcement.watch(caller);
    const expired = new AbortController();
    const timer = setTimeout(() => expired.abort(tokenExpired()), caller.expires.getTime() - Date.now());
    const signal = AbortSignal.any([caller.signal, watched.signal, expired.signal]);
    try {
      for await (const delivery of abortable(this.hub.subscribe(from, filter, signal), signal))
        yield messageOf(delivery);
    } finally {
      clearTimeout(timer);
    }
  }

  private startOf(after: string): Cursor {
    if (after === '') return this.hub.now();
    return after === 'start' ? { commits: everyPartition.map(() => 0) } : parseCursor(after);
  }
}

function tokenExpired(): DomainError {
  return refuse('auth.token_expired', 'the token has expired; go on with a new one behind the last cursor');
}

function messageOf({ event, position, cursor }: Delivery) {
  const { actor } = event;
  return {
    cursor,
    event: {
      id: event.id,
      type: event.type,
      source: event.source,
      subject: event.subject,
      time: timestampFromDate(new Date(event.time)),
      // One event that nests deep must not end the streams of all who watch.
      data: fromJson(ValueSchema, event.data as JsonValue, { recursionLimit: 10_000 }),
      tenant: event.tenant,
      actor: {
        principal: actor.principal,
        kind: actor.kind,
        onBehalfOf: [...(actor.onBehalfOf ?? [])],
        run: actor.run ?? '',
        token: actor.token ?? '',
      },
      cause: event.cause,
      trace: event.trace ?? '',
      position,
    },
  };
}
