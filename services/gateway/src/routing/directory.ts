import { refuse } from '@writ/ledger/domain';
import type { Announcement, Replicas } from '@writ/platform';

/** How many replicas of a service are up. */
export interface ServiceState {
  readonly name: string;
  readonly replicas: number;
}

/** Chooses among the replicas of a service that are up. */
export class Directory {
  private turn = 0;

  constructor(private readonly replicas: Pick<Replicas, 'up'>) {}

  /**
   * The replicas of the service, beginning with each in turn: one that was killed counts as up for some seconds more, and
   * the next is asked where it takes no connection.
   *
   * @throws DomainError `gateway.no_service` where none is up
   */
  replicasOf(service: string): Announcement[] {
    const up = this.replicas.up(service);
    const first = this.turn++ % Math.max(up.length, 1);
    if (up.length > 0) return [...up.slice(first), ...up.slice(0, first)];
    throw refuse('gateway.no_service', `no replica of ${service} is up; try again in a moment`, { service });
  }

  /** The installation as seen from the door: each of these services, also those of which none is up. */
  states(services: readonly string[]): ServiceState[] {
    return services.map((name) => ({ name, replicas: this.replicas.up(name).length }));
  }
}
