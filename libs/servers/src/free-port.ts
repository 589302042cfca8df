import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below what systems give to outgoing connections and to `listen(0)` (from 32768 on Linux, 49152 elsewhere), which would take it meanwhile. */
const RANGE = [15_000, 32_000] as const;

/** A loopback port that was free a moment ago; only another caller of this function is likely to take it meanwhile. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(...RANGE);
    if (await isFree(port)) return port;
  }
}

/** Whether nobody listens on this loopback port, and nobody's connection holds it. */
export async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
