/** A worker process: serves programs under the agent's own key (WRIT_URL, WRIT_KEY_FILE) until SIGTERM. */
import { connect } from '@writ/sdk';
import { program } from './workflow.js';

await using writ = connect();
const worker = await writ.serve({ workflows: [program], concurrency: 200 });
process.stdout.write('serving\n');
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void worker[Symbol.asyncDispose]());
await worker.closed;
