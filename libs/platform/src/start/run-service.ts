import { fstatSync } from 'node:fs';
import { giveBackWhenIdle } from './idle-memory.js';
import type { RunningService } from './spec.js';

/** What finishes takes `WRIT_GRACE_MS`; what takes this long hangs, and an orphan has nobody who would kill it. */
const STOP_MS = 30_000;

/**
 * The whole `main` of a service that runs in a process of its own. When it listens it prints one line of JSON on stdout,
 * `{"ready":{"name":…,"replica":…,"httpUrl":…,"grpcUrl":…}}`, and where it cannot start `{"failed":"why"}`; everything else
 * goes to stderr. It drains on SIGTERM and SIGINT, and when its stdin is a pipe that ends: then whoever started it has died. Told so while it still starts, it
 * ends at once: it serves nobody yet, and what it waits for may never come.
 */
export async function runService(
  start: (env: Record<string, string | undefined>) => Promise<RunningService>,
): Promise<void> {
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
    if (!isPipe(0)) return;
    process.stdin.once('end', () => resolve()).once('error', () => resolve());
    process.stdin.resume();
  });
  let started = false;
  void stopped.then(() => started || process.exit(0));
  try {
    const { stop, ...ready } = await start(process.env);
    started = true;
    giveBackWhenIdle();
    process.stdout.write(`${JSON.stringify({ ready })}\n`);
    await stopped;
    setTimeout(() => {
      process.stderr.write(`${ready.name} did not stop within ${STOP_MS / 1000} s and is ended\n`);
      process.exit(1);
    }, STOP_MS).unref();
    await stop();
    process.exit(0);
  } catch (error) {
    const { message, stack = message } = error instanceof Error ? error : new Error(String(error));
    process.stderr.write(`${stack}\n`);
    if (!started) process.stdout.write(`${JSON.stringify({ failed: message })}\n`);
    process.exit(1);
  }
}

function isPipe(descriptor: number): boolean {
  try {
    const stat = fstatSync(descriptor);
    return stat.isFIFO() || stat.isSocket();
  } catch {
    return false;
  }
}
