import { loopTasks } from '../closed-loop.js';
import { obey } from '../program.js';

const worker = process.env['WORKER'] as string;
let n = 0;

async function once(): Promise<void> {
  const wanted = ++n;
  const text = await (await fetch(`${worker}/?n=${wanted}`)).text();
  if (text !== String(wanted + 3)) throw new Error(`DBOS gave ${text} for ${wanted}`);
}

obey(loopTasks(once));
