import { NatsConnectionImpl, setTransportFactory } from '@nats-io/nats-core/internal';
import type { NatsConnection, Server } from '@nats-io/nats-core';
import { nodeResolveHost } from '@nats-io/transport-node/lib/node_transport.js';
import { BrokerTransport } from './transport.js';

export interface BrokerAddress {
  /** `nats://127.0.0.1:4222`, more separated by commas. */
  servers: string;
  credentials?: { user: string; pass: string } | undefined;
  /** Names the connection, for the broker's own lists. */
  name: string;
  /** Default `_INBOX`. */
  inboxPrefix?: string;
}

/**
 * A server that is paused or cut off keeps its connections and says nothing. Where there is another one to go to, that is
 * found out within 4 s, before the others have elected; where there is none, leaving sooner would win nothing.
 */
const patience = {
  alone: { pingInterval: 10_000, maxPingOut: 2, timeout: 20_000 },
  cluster: { pingInterval: 1_000, maxPingOut: 3, timeout: 2_000 },
};

/** @throws Error when no server can be reached */
export async function connectBroker(address: BrokerAddress): Promise<NatsConnection> {
  const { servers, credentials, name, inboxPrefix = '_INBOX' } = address;
  const list = servers.split(',').map((server) => server.trim());
  useBrokerTransport();
  return NatsConnectionImpl.connect({
    servers: list,
    name,
    inboxPrefix,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    reconnectToServer: (pool) => {
      useBrokerTransport();
      return triedLongestAgo(pool);
    },
    // A stack trace for each request costs more than the request.
    noAsyncTraces: true,
    ...(list.length > 1 ? patience.cluster : patience.alone),
    ...credentials,
  });
}

/**
 * The client has one transport for the whole process, which it asks for one at each attempt to connect: whoever else connects
 * with its own (`connect` of `@nats-io/transport-node`) sets that, and our connection would come back on it.
 */
function useBrokerTransport(): void {
  setTransportFactory({ factory: () => new BrokerTransport(), dnsResolveFn: nodeResolveHost });
}

/**
 * Left to itself the client goes first to the server that it has just lost. Where that one is paused, its kernel accepts the
 * connection, and 2 s are gone.
 */
function triedLongestAgo(servers: readonly Server[]): Server | null {
  const [first = null, ...others] = servers;
  return others.reduce((best, server) => (best && best.lastConnect <= server.lastConnect ? best : server), first);
}
