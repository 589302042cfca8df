import { refuse } from '@writ/ledger/domain';
import { openServices, type Announcement } from '@writ/platform';
import type { Ledger } from '@writ/ledger';

/** Announcements are renewed each second; the bucket forgets them silently, so what is older than this is gone. */
const STALE_MS = 5_000;

/** Which replicas of which service are up: follows their announcements. */
export class Directory {
  private readonly replicas = new Map<string, { replica: Announcement; seen: number }>();
  private turn = 0;

  private constructor(private readonly stopWatching: () => void) {}

  static async open(ledger: Ledger): Promise<Directory> {
    const watch = await (await openServices(ledger.nc)).watch();
    const directory = new Directory(() => watch.stop());
    void directory.follow(watch);
    return directory;
  }

  /** A replica of the service, each in turn. @throws `gateway.no_service` where none is up. */
  replicaOf(service: string): Announcement {
    const since = performance.now() - STALE_MS;
    const up = [...this.replicas.values()].filter(({ replica, seen }) => replica.name === service && seen > since);
    const chosen = up[this.turn++ % up.length];
    if (chosen) return chosen.replica;
    throw refuse('gateway.no_service', `no replica of ${service} is up; try again in a moment`, { service });
  }

  stop(): void {
    this.stopWatching();
  }

  private async follow(watch: AsyncIterable<{ key: string; operation: string; json<T>(): T }>): Promise<void> {
    for await (const entry of watch) {
      if (entry.operation === 'PUT')
        this.replicas.set(entry.key, { replica: entry.json<Announcement>(), seen: performance.now() });
      else this.replicas.delete(entry.key);
    }
  }
}
