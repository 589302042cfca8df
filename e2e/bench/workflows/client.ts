/** The one client of the bench: starts runs and waits for their ends, with the SDK (WRIT_URL, WRIT_KEY_FILE). */
import { connect } from '@writ/sdk';
import { loopTasks } from './closed-loop.js';
import { threeSteps } from './flows.js';
import { obey } from './program.js';

const writ = connect();
let n = 0;

async function threeStepsOnce(): Promise<void> {
  const wanted = ++n;
  const run = await writ.start(threeSteps, { n: wanted });
  const value = await run.result();
  if (value !== wanted + 3) throw new Error(`${run.id} gave ${value} for ${wanted}`);
}

obey(loopTasks(threeStepsOnce));
