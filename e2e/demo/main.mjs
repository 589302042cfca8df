/** `npm run demo`: see program.ts. */
import '../../infra/typescript.mjs';

const { main } = await import('./program.js');
process.exitCode = await main(process.argv.slice(2));
