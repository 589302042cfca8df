/** A worker process: serves programs under the agent's own key (WRIT_URL, WRIT_KEY_FILE) until SIGTERM. */
import { connect } from '@writ/sdk';
import { narrow } from './narrow.js';
import { program } from './workflow.js';

await using writ = connect();
const workers = await Promise.all(
  ['default', narrow.name].map((queue) => writ.serve({ workflows: [program], queue, concurrency: 200 })),
);
process.stdout.write('serving\n');
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.once(signal, () => workers.forEach((worker) => void worker[Symbol.asyncDispose]()));
await Promise.all(workers.map(({ closed }) => closed));
