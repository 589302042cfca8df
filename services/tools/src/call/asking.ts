import { refuse, type Json } from '@writ/ledger/domain';
import type { MayAsk, ServerSpec } from '../server/server.events.js';
import type { Asks } from '../upstream/upstream.js';

type JsonObject = { [key: string]: Json };

const capabilityOf: Readonly<Record<string, MayAsk>> = {
  'elicitation/create': 'elicitation',
  'sampling/createMessage': 'sampling',
  'roots/list': 'roots',
};

/** What of a client's capabilities a server is told: those that an operator lets it use. */
export function shown(
  client: JsonObject | undefined,
  { mayAsk = [] }: Exclude<ServerSpec, { kind: 'worker' }>,
): JsonObject {
  return Object.fromEntries(Object.entries(client ?? {}).filter(([name]) => (mayAsk as string[]).includes(name)));
}

/** @throws DomainError `tools.may_not_ask` for a request that an operator did not let the server make */
export function mustBeAllowed(asks: Asks | undefined, told: JsonObject, server: string): void {
  for (const { method } of Object.values(asks?.inputRequests ?? {})) {
    const needs = Object.hasOwn(capabilityOf, String(method)) ? capabilityOf[String(method)] : undefined;
    if (needs === undefined || told[needs] === undefined)
      throw refuse('tools.may_not_ask', `${server} asks the caller's client for ${String(method)}, which it may not`);
  }
}
