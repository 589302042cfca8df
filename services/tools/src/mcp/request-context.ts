import {
  CLIENT_CAPABILITIES_META_KEY,
  LOG_LEVEL_META_KEY,
  type Server,
  type ServerContext,
} from '@modelcontextprotocol/server';
import type { ActingCaller } from '@writ/enforcement';
import type { Json } from '@writ/ledger/domain';
import type { Passing } from '../call/tool-calls.js';

type JsonObject = { [key: string]: Json };

/** Whoever makes this very request: a session may not speak for the token that opened it. */
export function callerOf({ http }: ServerContext): ActingCaller {
  return http?.authInfo?.extra?.['caller'] as ActingCaller;
}

/** What goes on to a server with a request, and comes back while it is under way. */
export function passingOf(server: Server, { mcpReq }: ServerContext): Omit<Passing, 'requestState'> {
  const envelope = mcpReq.envelope as JsonObject | undefined;
  // Not by the envelope: a client of 2025-11-25 may put anything into its `_meta`.
  const modern = (server.getNegotiatedProtocolVersion() ?? '') >= '2026-07-28';
  const client = (modern ? envelope?.[CLIENT_CAPABILITIES_META_KEY] : server.getClientCapabilities()) as JsonObject;
  // A session has a level of its own, which is applied where the message is sent.
  const logLevel = modern ? envelope?.[LOG_LEVEL_META_KEY] : 'debug';
  const progressToken = mcpReq._meta?.progressToken;
  const lost = (): void => undefined; // whoever went away misses it
  return {
    ...(client !== undefined && { client }),
    ...(typeof logLevel === 'string' && { logLevel }),
    ...(mcpReq.inputResponses !== undefined && { inputResponses: mcpReq.inputResponses as JsonObject }),
    // Before 2026-07-28 a call is taken back by a message; after it, nobody can tell that from a lost connection.
    ...(!modern && { cancelled: mcpReq.signal }),
    ...(progressToken !== undefined && {
      onProgress: (progress) =>
        void mcpReq.notify({ method: 'notifications/progress', params: { ...progress, progressToken } }).catch(lost),
    }),
    onLog: ({ level, data, logger }) =>
      void mcpReq.log(level as Parameters<typeof mcpReq.log>[0], data, logger).catch(lost),
  };
}
