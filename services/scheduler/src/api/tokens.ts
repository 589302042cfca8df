/** What the scheduler's API classes inject besides the platform's tokens. */
export const SCHEDULER = Symbol('writ:scheduler');
export const SCHEDULER_CONFIG = Symbol('writ:scheduler-config');
export const WORKER_STREAMS = Symbol('writ:worker-streams');
