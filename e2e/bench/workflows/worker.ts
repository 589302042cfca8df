/** The worker of the bench (WRIT_URL, WRIT_KEY_FILE), until SIGTERM. */
import { connect } from '@writ/sdk';
import { flows } from './flows.js';
import { obey } from './program.js';

const writ = connect();
await writ.serve({ workflows: flows, concurrency: 2_000 });
obey({});
process.stdin.on('end', () => process.exit());
