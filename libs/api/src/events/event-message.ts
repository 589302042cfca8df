import { fromJson, type JsonValue, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate, ValueSchema } from '@bufbuild/protobuf/wkt';
import type { LedgerEvent } from '@writ/ledger/domain';
import type { EventSchema } from '@writ/proto/event/v1/event';

/** An event of the ledger as the API tells it, `writ.event.v1.Event`. @param position `service/partition/commit/index` */
export function eventMessage(event: LedgerEvent, position: string): MessageInitShape<typeof EventSchema> {
  const { id, type, source, subject, tenant, actor, cause } = event;
  return {
    id,
    type,
    source,
    subject,
    time: timestampFromDate(new Date(event.time)),
    // What is in the ledger is shown, however deep it nests: one event must not end the streams of all who watch.
    data: fromJson(ValueSchema, event.data as JsonValue, { recursionLimit: 10_000 }),
    tenant,
    actor: {
      principal: actor.principal,
      kind: actor.kind,
      onBehalfOf: [...(actor.onBehalfOf ?? [])],
      run: actor.run ?? '',
      token: actor.token ?? '',
    },
    cause,
    trace: event.trace ?? '',
    position,
  };
}
