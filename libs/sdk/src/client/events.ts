import { timestampDate } from '@bufbuild/protobuf/wkt';
import { toJson } from '@bufbuild/protobuf';
import { ValueSchema } from '@bufbuild/protobuf/wkt';
import { EventService, type Event } from '@writ/proto/event/v1/event';
import { WritError } from '../errors/errors.js';
import type { LedgerEvent } from './event.js';
import { pause, type Session } from './session.js';

/** Which events, in the words of the wire. */
export interface Watch {
  readonly types?: readonly string[];
  readonly subject?: string;
  readonly run?: string;
  readonly after: string;
}

/** An event of the wire. */
export function eventOf(event: Event): LedgerEvent {
  return {
    id: event.id,
    type: event.type,
    subject: event.subject,
    time: event.time ? timestampDate(event.time) : new Date(0),
    actor: event.actor?.principal ?? '',
    data: event.data ? toJson(ValueSchema, event.data) : undefined,
  };
}

/** Events from a cursor on, then live. A broken connection is made again where it broke: no event is lost, none comes twice. */
export async function* watch(
  session: Session,
  { types, subject, run, after }: Watch,
  signal?: AbortSignal,
): AsyncGenerator<LedgerEvent, void, undefined> {
  let cursor = after;
  for (let failures = 0; ;)
    try {
      const request = { types: [...(types ?? [])], subject: subject ?? '', run: run ?? '', after: cursor };
      for await (const response of session.stream(EventService.method.watchEvents, request, { signal })) {
        failures = 0;
        cursor = response.cursor || cursor;
        if (response.event) yield eventOf(response.event);
      }
      await pause(100, signal); // the server ended it: it goes away, and another one takes over
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      const mayHeal = WritError.is(error) && (error.retryable || error.code === 'auth.token_expired');
      if (!mayHeal || ++failures > 20) throw error;
      session.askAgainWhere();
      await pause(Math.min(100 * 2 ** failures, 5_000), signal);
    }
}
