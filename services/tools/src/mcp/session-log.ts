import type { EventStore, JSONRPCMessage } from '@modelcontextprotocol/server';

/** Messages of a session that a client may ask for again. */
const KEPT = 256;

/** What a session sent last, so that a client that lost its stream gets the rest (`Last-Event-ID`). */
export class SessionLog implements EventStore {
  private readonly events = new Map<number, { stream: string; message: JSONRPCMessage }>();
  private last = 0;

  storeEvent(stream: string, message: JSONRPCMessage): Promise<string> {
    this.events.set(++this.last, { stream, message });
    this.events.delete(this.last - KEPT);
    return Promise.resolve(String(this.last));
  }

  getStreamIdForEventId(id: string): Promise<string | undefined> {
    return Promise.resolve(this.events.get(Number(id))?.stream);
  }

  async replayEventsAfter(
    id: string,
    { send }: { send: (id: string, message: JSONRPCMessage) => Promise<void> },
  ): Promise<string> {
    const stream = this.events.get(Number(id))?.stream ?? '';
    for (const [number, event] of [...this.events])
      if (number > Number(id) && event.stream === stream && Object.keys(event.message).length > 0)
        await send(String(number), event.message);
    return stream;
  }
}
