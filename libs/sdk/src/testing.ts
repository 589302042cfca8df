export { testWrit, type TestWrit, type TestWritOptions } from './testing/test-writ.js';
export type { History } from './testing/history.js';
export type { QueueLimits, QueueRate } from './testing/test-queues.js';
export { workflowsOf } from './client/offering.js';
export type { LogLine } from './run/log.js';
export type { ExecFrame, ExecRequest, FileInfo, SandboxPort } from './sandbox/port.js';
