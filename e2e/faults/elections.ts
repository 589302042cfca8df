import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';

const everyMs = 50;
const askMs = 500;

/** What the servers that are left say of who leads the streams. */
export interface Elections {
  /** The longest time since this began for which one of the streams had no leader among them, ms; one that lasts included. */
  longestMs(): number;
  stop(): Promise<void>;
}

/**
 * Asks the servers that are left, from a connection of their own, who leads each stream. nats-server elects 4 to 9 s after
 * the last heartbeat of a leader, and again where the votes were split; no setting changes that. What of a gap is not the
 * broker's is ours.
 * @param without the server that is about to be lost
 */
export async function watchElections(
  servers: readonly { url: string }[],
  without: number,
  streams: readonly string[],
): Promise<Elections> {
  const lost = await nameOf(servers[without]?.url);
  const left = servers.filter((_, index) => index !== without).map(({ url }) => url);
  const nc = await connect({ servers: left, maxReconnectAttempts: -1 });
  const jsm = await jetstreamManager(nc, { checkAPI: false, timeout: askMs });
  const ledAt = new Map(streams.map((stream) => [stream, performance.now()]));
  let longest = 0;
  let stopped = false;
  const leaderless = (stream: string): number => performance.now() - (ledAt.get(stream) as number);
  const watch = async (stream: string): Promise<void> => {
    while (!stopped) {
      const info = await jsm.streams.info(stream).catch(() => undefined);
      const leader = info?.cluster?.leader;
      if (leader !== undefined && leader !== lost) {
        longest = Math.max(longest, leaderless(stream));
        ledAt.set(stream, performance.now());
      }
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  };
  const watching = Promise.all(streams.map(watch));
  return {
    longestMs: () => Math.max(longest, ...streams.map(leaderless)),
    async stop() {
      stopped = true;
      await watching;
      await nc.close();
    },
  };
}

async function nameOf(url = ''): Promise<string | undefined> {
  const nc = await connect({ servers: url });
  const name = nc.info?.server_name;
  await nc.close();
  return name;
}
