/** A worker process: serves the workflows under the agent's own key (WRIT_URL, WRIT_KEY_FILE) until SIGTERM. */
import { connect } from '@writ/sdk';
import { workflows } from './workflows.js';

await using writ = connect();
const worker = await writ.serve({ workflows: Object.values(workflows), concurrency: 500 });
process.stdout.write('serving\n');
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void worker[Symbol.asyncDispose]());
await worker.closed;
