/** Writes and closes in the very tick in which its server ends the connection: `node closing-client.ts <nats url>`. */
import type { Socket } from 'node:net';
import { connectBroker } from '../broker/connect.js';

const nc = await connectBroker({ servers: process.argv[2] ?? '', name: 'closing' });
const { socket } = (nc as unknown as { protocol: { transport: { socket: Socket } } }).protocol.transport;
socket.on('end', () =>
  process.nextTick(() => {
    nc.publish('anything', 'written after the end');
    // The publish leaves in a microtask, and the close comes right behind it.
    void Promise.resolve().then(() => nc.close());
  }),
);
console.log('connected');
await nc.closed();
setTimeout(() => console.log('closed'), 50);
