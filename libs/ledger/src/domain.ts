export {
  aggregates,
  type Aggregate,
  type AnyAggregate,
  type CommitPoint,
  type PartitionModel,
  type Peek,
} from './domain/aggregates.js';
export { covers, permits, type Capability } from './domain/capabilities.js';
export { commandOf, type Actor, type Command, type EventDraft, type Json, type LedgerEvent } from './domain/events.js';
export { Fifo } from './domain/fifo.js';
export { derivedId, newId, newLanedId, type IdPrefix } from './domain/ids.js';
export { inLane, lanes } from './domain/lanes.js';
export {
  commandSubject,
  commitSubject,
  fnv1a32,
  partitionLabel,
  partitionOf,
  partitionsOf,
  preferredOwner,
  streamName,
  type ServiceName,
} from './domain/partitioning.js';
export { comparePositions, formatPosition, parsePosition, type Position } from './domain/positions.js';
export { DomainError, ledgerErrors, refuse, type ErrorCatalogue } from './domain/refusals.js';
export { upcasting, type Upcast, type Upcaster } from './domain/upcasters.js';
