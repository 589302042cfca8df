export { freePort, isFree } from './free-port.js';
export { guard, type Release } from './guard.js';
export { runningNats, startNats, type NatsOptions, type NatsServer } from './nats.js';
export { startNatsCluster, type NatsCluster, type NatsClusterOptions } from './nats-cluster.js';
export { natsConfiguration, type NatsConfiguration, type NatsMembership, type NatsUser } from './nats-configuration.js';
export { findNatsServer, findOldNatsServer, type NatsBinary } from './nats-binary.js';
export { startPostgres, runningPostgres, type PostgresOptions, type PostgresServer } from './postgres.js';
export { findPostgres, type PostgresBinaries } from './postgres-binary.js';
export { isAlive, type ServerState } from './state-file.js';
