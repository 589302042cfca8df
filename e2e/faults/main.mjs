/** `npm run faults -- <name> [options]`; without a name, or with `--help`, it lists what there is. These take minutes and are run by name. */
import '../../infra/typescript.mjs';

const { main } = await import('./program.js');
process.exitCode = await main(process.argv.slice(2));
