export type { CommandClient, CommandResult, OutgoingCommand, SendOptions } from './commands/client.js';
export type { ConsumerHealth, Host, HostHealth, HostSpec, PartitionHandle, PartitionHealth } from './host/spec.js';
export { Ledger, type LedgerOptions, type Logger } from './ledger.js';
export { ChainBroken, chainStart } from './log/chain.js';
export type { Commit } from './log/commit.js';
export type { Follower, FollowSpec } from './log/follow.js';
export type { Projection } from './projections/projection.js';
export type { Reactor } from './reactors/reactor.js';
export type { ServerFeatures, ServerInfo } from './server.js';
