import { fnv1a32, partitionOf, partitionsOf, refuse, type Json, type LedgerEvent } from '@writ/ledger/domain';
import type { Start } from '../run/run.commands.js';
import type { Ramp, RampEvent, RampEventData } from './ramp.events.js';

/** Raise it when the shape of the snapshot, or what is made of events, changes. */
export const rampsVersion = 1;

/** The ramp of a workflow, as a partition knows it; one that has ended stays, for its revision. */
export interface KnownRamp {
  readonly revision: number;
  readonly ramp?: Ramp | undefined;
}

/** The partition that records the ramp of a workflow, before all others do. */
export function rampHome(tenant: string, workflow: string): number {
  return partitionOf(tenant, `ramp/${workflow}`, partitionsOf.scheduler);
}

/** Which version new runs go to, by workflow. Empty where no workflow has a ramp: then a start pays for a look at its size. */
export class Ramps {
  private readonly known = new Map<string, KnownRamp>();

  of(tenant: string, workflow: string): KnownRamp | undefined {
    return this.known.get(keyOf(tenant, workflow));
  }

  /** What is started under this id, pinned as the ramp of its workflow says, unless who starts it has pinned it or gives it a record to begin with. */
  applied<S extends Pick<Start, 'workflow' | 'version' | 'pinned' | 'kept'>>(
    tenant: string,
    run: string,
    start: S,
  ): S & { ramp?: number } {
    if (this.known.size === 0 || start.pinned || start.kept) return start;
    const known = this.of(tenant, start.workflow);
    const version = known?.ramp && (shareOf(run) < known.ramp.percent ? known.ramp.to : known.ramp.from);
    return known && version !== undefined ? { ...start, version, pinned: true, ramp: known.revision } : start;
  }

  evolve({ tenant, subject, data }: Pick<LedgerEvent, 'tenant' | 'subject' | 'data'>): void {
    this.known.set(keyOf(tenant, subject), data as RampEventData<'ramp.set.v1'>);
  }

  snapshot(): Json {
    return [...this.known] as unknown as Json;
  }

  restore(snapshot: Json): void {
    for (const [key, ramp] of snapshot as unknown as [string, KnownRamp][]) this.known.set(key, ramp);
  }
}

function keyOf(tenant: string, workflow: string): string {
  return `${tenant}\n${workflow}`;
}

/** Where a run stands from 0 to 99, by its id alone: repeated, its start lands alike, and a share that grows loses nobody. */
function shareOf(run: string): number {
  return fnv1a32(`ramp/${run}`) % 100;
}

/** Commands of the aggregate `ramp`. */
export type RampCommand =
  | { type: 'set'; ramp: Ramp }
  | { type: 'end' }
  /** What the ramp's own partition has recorded, for the others. */
  | ({ type: 'learn' } & KnownRamp);

/** Pure: the same arguments give the same events. @throws DomainError `ramp.*` */
export function decideRamp(workflow: string, command: RampCommand, known: KnownRamp | undefined): RampEvent[] {
  const { revision = 0, ramp: there } = known ?? {};
  switch (command.type) {
    case 'learn': {
      const { type: _, ...data } = command;
      return data.revision > revision ? [{ type: 'ramp.learned.v1', data }] : [];
    }
    case 'end':
      if (!known) throw refuse('ramp.not_found', `the workflow ${workflow} never had a ramp`, { workflow });
      return there ? [{ type: 'ramp.set.v1', data: { revision: revision + 1 } }] : [];
    case 'set': {
      const { ramp } = command;
      const { to, percent, from } = ramp;
      if (from === undefined && percent < 100)
        throw refuse(
          'ramp.bad_ramp',
          `of the starts ${percent} percent go to version ${to}; say with 'from' to which version the others go: without one they go to workers of any version, ${to} as well`,
        );
      if (from === to) throw refuse('ramp.bad_ramp', `from and to are both version ${to}; 100 percent to it says that`);
      if (there && there.to === to && there.percent === percent && there.from === from) return [];
      return [{ type: 'ramp.set.v1', data: { revision: revision + 1, ramp } }];
    }
  }
}
