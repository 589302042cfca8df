/** `npm run bench -- <name> [--json] [--runs 3] [--durability fsync|flush] [--write] [--only <part,part>] [--peers]`; without a name it lists what there is. */
import '../../infra/typescript.mjs';
import { parseArgs } from 'node:util';

const { main } = await import('./program.js');
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    runs: { type: 'string', default: '3' },
    durability: { type: 'string', default: 'fsync' },
    write: { type: 'boolean', default: false },
    only: { type: 'string' },
    peers: { type: 'boolean', default: false },
  },
});
process.exitCode = await main(positionals[0], values);
