import { NodeTransport } from '@nats-io/transport-node/lib/node_transport.js';

/**
 * The client's own transport, with two things mended:
 *
 * - A connection that is given up is given up at once. The client writes once more and waits until that has left, which it
 *   never does where the server is paused or cut off and the socket is full: it would not look for another server for ever.
 * - A socket that fails while it is being closed (the server died in the same tick) has somebody who listens. Without,
 *   its error ends the process: `write after end`.
 */
export class BrokerTransport extends NodeTransport {
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
    const { socket } = this;
    const result = leave();
    (socket as typeof socket | undefined)?.on('error', () => undefined);
    return result;
  }
}
