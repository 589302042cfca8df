import type { DataSource } from 'typeorm';
import type { OutgoingCommand, CommandResult } from '../commands/client.js';
import type { PartitionModel } from '../domain/aggregates.js';
import type { ServiceName } from '../domain/partitioning.js';
import type { ErrorCatalogue } from '../domain/refusals.js';
import type { Commit } from '../log/commit.js';
import type { Projection } from '../projections/projection.js';
import type { Reactor } from '../reactors/reactor.js';

/** What a service brings to own its partitions. */
export interface HostSpec {
  service: ServiceName;
  /** Default: `partitionsOf[service]`, else 1. */
  partitions?: number;
  /** A new, empty state; `aggregates([...])` makes one. */
  model: (partition: number) => PartitionModel;
  reactors?: readonly Reactor[];
  /** Which refusals a reactor repeats (`retry`) instead of setting the event aside. */
  errors?: ErrorCatalogue;
  projections?: readonly Projection[];
  /** Where projections write; its schema is the service's. Required with `projections`. */
  dataSource?: DataSource;
  /** After recovery and claim, before the first command is taken. A throw gives the partition up. */
  onOwned?(partition: number, handle: PartitionHandle): void | Promise<void>;
  /**
   * Forget the handle. Called once for each `onOwned`. `deposed`: another owner's commit was there first, and the fence held;
   * `failed`: its state is worth nothing any more; `left`: handed over, or stopped.
   */
  onLost?(partition: number, why: 'deposed' | 'failed' | 'left'): void;
  /** Each acknowledged commit of an owned partition, in order and synchronously; not those replayed at recovery. */
  onCommit?(commit: Commit): void;
}

/** An owned partition, until `onLost`. */
export interface PartitionHandle {
  readonly partition: number;
  readonly epoch: number;
  /** The live state. It may be ahead of the log by what is being committed. */
  readonly model: PartitionModel;
  /** The last acknowledged commit. */
  commit(): number;
  /** Decides here, without the network. Rejects with `ledger.unavailable` once the partition is lost. */
  execute(command: Omit<OutgoingCommand, 'partition'>): Promise<CommandResult>;
}

/** One partition as health sees it. */
export interface PartitionHealth {
  partition: number;
  /** `idle`: another replica has it. `failed`: see `detail`; it is tried again. */
  state: 'idle' | 'recovering' | 'owned' | 'handing-over' | 'failed';
  epoch?: number;
  commit?: number;
  detail?: string;
}

/** One projection or reactor on one partition that this process owns. */
export interface ConsumerHealth {
  name: string;
  partition: number;
  /** The last commit it has taken in. */
  commit: number;
  /** Commits it is behind. */
  lag: number;
  /** Why a projection stands still, or how many events a reactor has set aside. */
  parked?: string;
}

export interface HostHealth {
  partitions: readonly PartitionHealth[];
  projections: readonly ConsumerHealth[];
  reactors: readonly ConsumerHealth[];
}

/** The running owner of (some of) a service's partitions. */
export interface Host {
  readonly service: ServiceName;
  readonly partitions: number;
  owned(): number[];
  /**
   * Every partition is owned by a replica that answers; the own ones are recovered. One whose log is broken is not waited
   * for: the others serve, and health says which it is.
   */
  readonly ready: Promise<void>;
  /** Whether the view reached the position in time. Works on every replica, also for partitions owned elsewhere. */
  waitFor(projection: string, position: string, timeoutMs: number): Promise<boolean>;
  health(): HostHealth;
  /** Takes no new command, answers those it has, hands its partitions over. */
  stop(): Promise<void>;
}
