/** `npm run faults -- <name>`; without a name it lists what there is. These take minutes and are run by name. */
import '../../infra/typescript.mjs';

const { main } = await import('./program.js');
process.exitCode = await main(process.argv[2]);
