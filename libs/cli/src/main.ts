import { main } from './writ.js';

process.exitCode = await main(process.argv.slice(2));
