import { GrpcChannel } from '@writ/api';
import type { Replicas } from '@writ/platform';

/** The sandbox runners that are up, and a channel to each. */
export class Runners {
  private readonly channels = new Map<string, GrpcChannel>();
  private turn = 0;

  constructor(private readonly replicas: Promise<Pick<Replicas, 'up'>>) {}

  /** All of them, each first in its turn: one that died is announced for a moment longer. */
  async inTurn(): Promise<GrpcChannel[]> {
    const up = (await this.replicas).up('sandbox-runner').map(({ grpcUrl }) => grpcUrl);
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
