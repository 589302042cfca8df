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

  /** A replica of the service, each in turn. @throws DomainError `gateway.no_service` where none is up */
  replicaOf(service: string): Announcement {
    const up = this.replicas.up(service);
    const chosen = up[this.turn++ % up.length];
    if (chosen) return chosen;
    throw refuse('gateway.no_service', `no replica of ${service} is up; try again in a moment`, { service });
  }

  /** The installation as seen from the door: each of these services, also those of which none is up. */
  states(services: readonly string[]): ServiceState[] {
    return services.map((name) => ({ name, replicas: this.replicas.up(name).length }));
  }
}
