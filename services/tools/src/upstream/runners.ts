import { GrpcChannel } from '@writ/api';
import { refuse } from '@writ/ledger/domain';
import type { Ledger } from '@writ/ledger';
import { openServices, type Announcement } from '@writ/platform';

/** Announcements are renewed each second; what is older than this is gone. */
const STALE_MS = 5_000;

/** The sandbox runners that are up, and a channel to each. */
export class Runners {
  private readonly channels = new Map<string, GrpcChannel>();
  private turn = 0;

  constructor(private readonly ledger: Ledger) {}

  /** One of them, each in turn. @throws DomainError `tools.upstream_failed` where none is up */
  async any(): Promise<GrpcChannel> {
    const bucket = await openServices(this.ledger.nc);
    const up: Announcement[] = [];
    for await (const key of await bucket.keys('sandbox-runner.*')) {
      const entry = await bucket.get(key);
      if (entry?.operation === 'PUT' && Date.now() - entry.created.getTime() < STALE_MS) up.push(entry.json());
    }
    const chosen = up[this.turn++ % up.length];
    if (chosen === undefined)
      throw refuse('tools.upstream_failed', 'no sandbox runner is up, and a server over stdio runs in a sandbox');
    let channel = this.channels.get(chosen.grpcUrl);
    if (channel === undefined) this.channels.set(chosen.grpcUrl, (channel = new GrpcChannel(chosen.grpcUrl)));
    return channel;
  }

  close(): void {
    for (const channel of this.channels.values()) channel.close();
    this.channels.clear();
  }
}
