export { freePort, isFree } from './free-port.js';
export { guard, type Release } from './guard.js';
export {
  natsConfiguration,
  runningNats,
  startNats,
  type NatsConfiguration,
  type NatsOptions,
  type NatsServer,
  type NatsUser,
} from './nats.js';
export { findNatsServer, findOldNatsServer, type NatsBinary } from './nats-binary.js';
export { startPostgres, runningPostgres, type PostgresOptions, type PostgresServer } from './postgres.js';
export { findPostgres, type PostgresBinaries } from './postgres-binary.js';
export { isAlive, type ServerState } from './state-file.js';
