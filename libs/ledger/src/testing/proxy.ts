import { createServer, connect, type AddressInfo, type Socket } from 'node:net';

/** A wire between a client and its server that can be cut, and whose way back can be stopped. */
export interface Proxy extends AsyncDisposable {
  /** `host:port` of this side. */
  readonly host: string;
  /** The same as `nats://host:port`. */
  readonly url: string;
  /** From now on the client hears nothing; what it says still arrives. */
  mute(): void;
  /** The same, once it has heard this. */
  muteAfter(text: string): void;
  /** Breaks all connections; what was held back is lost. New ones are let through both ways. */
  cut(): void;
  /** The same, and new ones are broken too, until `up`. */
  down(): void;
  up(): void;
}

/** @param target a URL with host and port */
export async function startProxy(target: string): Promise<Proxy> {
  const { hostname, port } = new URL(target);
  const pairs = new Set<[Socket, Socket]>();
  let isDown = false;
  let muted = false;
  let last: string | undefined;
  const server = createServer((client) => {
    if (isDown) return void client.destroy();
    const broker = connect({ host: hostname, port: Number(port), noDelay: true });
    client.setNoDelay(true);
    const pair: [Socket, Socket] = [client, broker];
    pairs.add(pair);
    client.pipe(broker);
    broker.on('data', (data) => {
      if (!muted) client.write(data);
      if (last !== undefined && data.includes(last)) muted = true;
    });
    const end = (): void => {
      pairs.delete(pair);
      client.destroy();
      broker.destroy();
    };
    for (const socket of pair) socket.on('error', end).on('close', end);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    muted = false;
    last = undefined;
    for (const pair of pairs) for (const socket of pair) socket.destroy();
  };
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    host,
    url: `nats://${host}`,
    mute: () => void (muted = true),
    muteAfter: (text) => void (last = text),
    cut,
    down() {
      isDown = true;
      cut();
    },
    up: () => void (isDown = false),
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      cut();
      await closed;
    },
  };
}
