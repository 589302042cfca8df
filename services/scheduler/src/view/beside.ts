import type { Projection } from '@writ/ledger';
import type { EntityManager } from 'typeorm';

/** Events with their positions, as a projection gets them. */
export type Projected = Parameters<Projection['apply']>[0];

/** Another table of the same partitions. */
export interface Beside {
  /** Its column `partition` says of which partition a row is. */
  readonly table: string;
  /** Only events whose type begins so reach it. */
  readonly events: string;
  apply(events: Projected, manager: EntityManager): Promise<void>;
}

/** A projection that keeps tables beside its own: one transaction and one checkpoint for all. */
export function beside(projection: Projection, ...tables: readonly Beside[]): Projection {
  return {
    ...projection,
    async apply(events, manager) {
      await projection.apply(events, manager);
      for (const { events: prefix, apply } of tables) {
        const ours = events.filter(({ event }) => event.type.startsWith(prefix));
        if (ours.length > 0) await apply(ours, manager);
      }
    },
    async reset(partition, manager) {
      await projection.reset?.(partition, manager);
      for (const { table } of tables) await manager.query(`delete from ${table} where partition = $1`, [partition]);
    },
  };
}
