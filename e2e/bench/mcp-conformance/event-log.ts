import type { EventStore, JSONRPCMessage } from '@modelcontextprotocol/server';

/** What a session sent, so that a client that lost its stream gets the rest (`Last-Event-ID`). */
export class EventLog implements EventStore {
  private readonly events: { stream: string; message: JSONRPCMessage }[] = [];

  storeEvent(stream: string, message: JSONRPCMessage): Promise<string> {
    this.events.push({ stream, message });
    return Promise.resolve(String(this.events.length));
  }

  getStreamIdForEventId(id: string): Promise<string | undefined> {
    return Promise.resolve(this.events[Number(id) - 1]?.stream);
  }

  async replayEventsAfter(
    last: string,
    { send }: { send: (id: string, message: JSONRPCMessage) => Promise<void> },
  ): Promise<string> {
    const from = Number(last);
    const stream = this.events[from - 1]?.stream ?? '';
    for (const [index, event] of this.events.entries())
      if (index >= from && event.stream === stream && Object.keys(event.message).length > 0)
        await send(String(index + 1), event.message);
    return stream;
  }
}
