import { uptime } from 'node:os';

const resyncMs = 1_000;
/** A machine that was suspended: its uptime went on, and the process's own clock did not. */
const suspendedMs = 2_000;
/** How much faster or slower than real time this clock goes to meet the wall clock. */
const slew = 0.1;

/**
 * Milliseconds since 1970, by a clock that does not jump. It goes with the machine's uptime and drifts towards the wall
 * clock by a tenth at most: when somebody sets that an hour forward or back, a sleep of five seconds takes five, and what
 * is remembered for a quarter of an hour is remembered for one. Events, and the timers that compare with them, go by it.
 */
export function steadyNow(): number {
  const at = performance.now();
  const passed = at - last.atMs;
  if (passed >= resyncMs) resync(at, passed);
  return Math.floor(last.nowMs + at - last.atMs);
}

const last = { nowMs: Date.now(), atMs: performance.now(), uptimeMs: uptime() * 1000 };

function resync(atMs: number, ran: number): void {
  const uptimeMs = uptime() * 1000;
  const up = uptimeMs - last.uptimeMs;
  const passed = up - ran > suspendedMs ? up : ran;
  const off = Date.now() - (last.nowMs + passed);
  const step = Math.max(-passed * slew, Math.min(passed * slew, off));
  Object.assign(last, { nowMs: last.nowMs + passed + step, atMs, uptimeMs });
}
