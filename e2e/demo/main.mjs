/** `npm run demo`: see program.ts. */
import '../../infra/typescript.mjs';

const { main } = await import('./program.js');
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`the demo failed: ${error instanceof Error ? error.message : String(error)}\n`);
  if (process.env.WRIT_DEBUG) process.stderr.write(`${error?.stack}\n`);
  process.exitCode = 1;
}
