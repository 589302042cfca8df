import { Server, type CustomTransportStrategy } from '@nestjs/microservices';
import type { Host } from '@writ/ledger';

/**
 * The ledger's command server as a transport of `@nestjs/microservices`. It is up when every partition has an owner that
 * answers, and it goes down last: calls that are still in flight send commands.
 */
export class CommandServer extends Server implements CustomTransportStrategy {
  constructor(
    private readonly host: Host,
    private readonly othersClosed: () => Promise<void>,
  ) {
    super();
  }

  listen(callback: (error?: unknown) => void): void {
    this.host.ready.then(() => callback(), callback);
  }

  async close(): Promise<void> {
    await this.othersClosed();
    await this.host.stop();
  }

  override on(): never {
    throw new Error('CommandServer has no events');
  }

  override unwrap<T>(): T {
    return this.host as T;
  }
}
