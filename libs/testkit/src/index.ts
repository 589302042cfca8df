export { startBackends, startSuiteNats, type BackendOptions, type Backends } from './backends.js';
export { TestClock } from './clock.js';
export { scratchDatabase } from './databases.js';
export { eventually, type EventuallyOptions } from './eventually.js';
export { projectRoot, startProcess, type ProjectProcess, type ProjectProcessOptions } from './project-process.js';
export { lendPostgres, privatePostgres, type PostgresLender } from './run-postgres.js';
export { verifies } from './verifies.js';
export { startNetwork, whyNoNetwork, type Network, type NetworkHost } from './network.js';
export { startSmallDisk, whyNoSmallDisk, type SmallDisk } from './small-disk.js';
