/** The worker of the bench of long lives (WRIT_URL, WRIT_KEY_FILE). */
import { connect } from '@writ/sdk';
import { obey } from '../workflows/program.js';
import { agent, film, look, steps } from './flows.js';

const writ = connect();
await writ.serve({ workflows: [agent, steps, film], tools: [look] });
obey({ rssMib: () => process.memoryUsage.rss() / 1024 / 1024 });
process.stdin.on('end', () => process.exit());
