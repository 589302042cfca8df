/** What JSON can carry. Event data is exactly this: what a replay reads is what the owner evolved. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Who acted. It is copied from a verified token into every event, so the record names a person behind each act. */
export interface Actor {
  /** Principal id: `agt_…`, `psn_…`, `operator`, or a service's name. */
  principal: string;
  kind: 'agent' | 'person' | 'operator' | 'service';
  /** Whom it acts for, nearest first (RFC 8693 section 4.1, `act` turned inside out). */
  onBehalfOf?: readonly string[];
  run?: string;
  /** `jti` of the token (RFC 9068). */
  token?: string;
}

/** A CloudEvents 1.0 envelope in JSON form, with the extensions `tenant`, `actor`, `cause`, `command` and `trace`. */
export interface LedgerEvent<T extends string = string, D = Json> {
  specversion: '1.0';
  /** `evt_…`, unique; consumers are idempotent by it. */
  id: string;
  /** `<aggregate>.<past-verb>.v<major>`. */
  type: T;
  /** `<service>/<pp>`: the partition that committed it. */
  source: string;
  /** The aggregate that it is about. */
  subject: string;
  /** ISO 8601 with milliseconds: when its owner decided. Never goes back within a partition. */
  time: string;
  data: D;
  tenant: string;
  actor: Actor;
  /** The id of the event or command that led here. */
  cause: string;
  /** The id of the command that was decided, when `cause` names something else. */
  command?: string;
  /** W3C `traceparent`. */
  trace?: string;
}

/** What a decider returns: the owner puts the envelope around it. */
export interface EventDraft<T extends string = string, D = unknown> {
  type: T;
  data: D;
  /** Default: the subject of the command. Must belong to the same partition. */
  subject?: string;
  /** Default: the trace of the command. */
  trace?: string;
}

/** One wanted change. The same `tenant` and `id` within 15 minutes gets the first answer again and has no second effect. */
export interface Command<C = { type: string }> {
  /** `cmd_…`, or derived from the event that a reactor follows; at most 256 bytes. */
  id: string;
  tenant: string;
  aggregate: string;
  subject: string;
  command: C;
  actor: Actor;
  /** ISO 8601: stamped by the owner when it takes the command up. Never goes back within a partition. */
  time: string;
  /** The event that this command reacts to. Default: the command itself. */
  cause?: string;
  /** W3C `traceparent`. */
  trace?: string;
}

/** The id of the command that made an event. */
export function commandOf(event: LedgerEvent): string {
  return event.command ?? event.cause;
}
