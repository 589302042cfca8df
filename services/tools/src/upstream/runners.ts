import { GrpcChannel } from '@writ/api';
import type { Ledger } from '@writ/ledger';
import { openServices, type Announcement } from '@writ/platform';

/** Announcements are renewed each second; what is older than this is gone. */
const STALE_MS = 5_000;

/** The sandbox runners that are up, and a channel to each. */
export class Runners {
  private readonly channels = new Map<string, GrpcChannel>();
  private turn = 0;

  constructor(private readonly ledger: Ledger) {}

  /** All of them, each first in its turn: one that died is announced for a moment longer. */
  async inTurn(): Promise<GrpcChannel[]> {
    const bucket = await openServices(this.ledger.nc);
    const up: string[] = [];
    for await (const key of await bucket.keys('sandbox-runner.*')) {
      const entry = await bucket.get(key);
      if (entry?.operation === 'PUT' && Date.now() - entry.created.getTime() < STALE_MS)
        up.push(entry.json<Announcement>().grpcUrl);
    }
    const first = up.length === 0 ? 0 : this.turn++ % up.length;
    return [...up.slice(first), ...up.slice(0, first)].map((url) => this.channel(url));
  }

  close(): void {
    for (const channel of this.channels.values()) channel.close();
    this.channels.clear();
  }

  private channel(url: string): GrpcChannel {
    const known = this.channels.get(url) ?? new GrpcChannel(url);
    this.channels.set(url, known);
    return known;
  }
}
