import { Inject } from '@nestjs/common';
import { ApiService, type Caller, type ServiceImplementation } from '@writ/api';
import { EventService, type WatchEventsRequest } from '@writ/proto/event/v1/event';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { timestampFromDate, ValueSchema } from '@bufbuild/protobuf/wkt';
import { everyPartition, parseCursor, type Cursor } from './cursor.js';
import { EventHub, type Delivery } from './event-hub.js';

/** Implements `writ.event.v1.EventService`. */
@ApiService(EventService)
export class EventApi implements ServiceImplementation<typeof EventService> {
  constructor(@Inject(EventHub) private readonly hub: EventHub) {}

  async *watchEvents(request: WatchEventsRequest, caller: Caller) {
    const filter = {
      tenant: caller.tenant,
      types: request.types,
      ...(request.subject !== '' && { subject: request.subject }),
      ...(request.run !== '' && { run: request.run }),
    };
    for await (const delivery of this.hub.subscribe(this.startOf(request.after), filter, caller.signal))
      yield messageOf(delivery);
  }

  private startOf(after: string): Cursor {
    if (after === '') return this.hub.now();
    return after === 'start' ? { commits: everyPartition.map(() => 0) } : parseCursor(after);
  }
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
      data: fromJson(ValueSchema, event.data as JsonValue),
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
