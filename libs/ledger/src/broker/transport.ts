import type { Socket } from 'node:net';
import { NodeTransport } from '@nats-io/transport-node/lib/node_transport.js';

/**
 * The client's own transport, with three things mended:
 *
 * - What is sent in one turn of the event loop leaves in one write. The client writes once for each chain of microtasks that sends
 *   something, and a write to a socket costs more than most of what led to it.
 * - A connection that is given up is given up at once. The client writes once more and waits until that has left, which it
 *   never does where the server is paused or cut off and the socket is full: it would not look for another server for ever.
 * - A socket that fails while it is being closed (the server died in the same tick) has somebody who listens. Without,
 *   its error ends the process: `write after end`.
 */
export class BrokerTransport extends NodeTransport {
  private gathering = false;

  override send(frame: Uint8Array): void {
    const socket = this.socket as Socket | undefined;
    if (this.isClosed || !socket) return;
    if (!this.gathering) {
      this.gathering = true;
      socket.cork();
      setImmediate(() => {
        this.gathering = false;
        socket.uncork();
      });
    }
    socket.write(frame); // where that fails, the socket says so itself
  }

  override disconnect(): void {
    void this.close();
  }

  override async close(error?: Error): Promise<void> {
    // One that never came to life would be left open: a paused server is connected to, and never says its INFO.
    if (!this.connected) return this.discard();
    await this.leaving(() => super.close(error));
  }

  override discard(): void {
    this.leaving(() => super.discard());
  }

  /** The client takes all listeners away before it destroys the socket. */
  private leaving<T>(leave: () => T): T {
    const socket = this.socket as Socket | undefined;
    socket?.uncork();
    const result = leave();
    socket?.on('error', () => undefined);
    return result;
  }
}
