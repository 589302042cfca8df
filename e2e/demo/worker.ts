/** A worker process of the demo: serves the workflows under the agent's own key (WRIT_URL, WRIT_KEY_FILE) until SIGTERM. */
import { connect, WritError } from '@writ/sdk';
import { review, reviewRepository } from './workflow.js';

await using writ = connect();
const worker = await writ.serve({ workflows: [reviewRepository, review], concurrency: 16 });
process.stdout.write(`${JSON.stringify({ ready: process.pid })}\n`);
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void worker[Symbol.asyncDispose]());
await worker.closed.catch((error: unknown) => {
  // The last act of the demo: whoever is revoked is sent away.
  if (!WritError.is(error, 'auth.revoked')) throw error;
});
