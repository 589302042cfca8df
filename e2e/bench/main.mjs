/** `npm run bench -- <name> [options]`; without a name, or with `--help`, it lists what there is. */
import '../../infra/typescript.mjs';

const { main } = await import('./program.js');
process.exitCode = await main(process.argv.slice(2));
