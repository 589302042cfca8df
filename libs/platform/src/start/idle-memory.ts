import { Script } from 'node:vm';

const everyMs = 60_000;

/**
 * Lets V8 give back to the system what a burst left behind. It does so by itself, in small steps, once a process has allocated little for some
 * seconds: in the heap of JavaScript, and in that of the objects that Node.js itself has there. But it takes a rate of exactly nothing for one that it does not know,
 * and a service makes none of the latter, so it would never count as idle (`--trace-memory-reducer`: "high alloc", for ever; Node.js 24.21, V8 13.6,
 * `GCTracer::ComputeMutatorUtilization`). A script is such an object, and what one a minute leaves of the rate is not nothing.
 */
export function giveBackWhenIdle(): void {
  const touch = () => void new Script('');
  touch();
  setInterval(touch, everyMs).unref();
}
