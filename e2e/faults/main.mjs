/** `npm run faults -- <name> [--seconds N] [--seed N]`; without a name it lists what there is. These take minutes and are run by name. */
import '../../infra/typescript.mjs';
import { parseArgs } from 'node:util';

const { main } = await import('./program.js');
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string' }, seed: { type: 'string' } },
});
process.exitCode = await main(positionals[0], values);
