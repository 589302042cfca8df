/**
 * Makes a fresh clone ready to run: installs what is missing, says what it does, changes nothing when nothing is.
 * It has no dependencies and runs on Node 18 or newer. `--quiet` says only what it does.
 */
import { build } from './build.mjs';
import { exclusively } from './lock.mjs';
import { natsServer, oldNatsServer } from './nats.mjs';
import { packages } from './packages.mjs';
import { finished, note, SetupError } from './report.mjs';
import { systemPrograms } from './system.mjs';

try {
  await exclusively(async () => {
    for (const step of [packages, systemPrograms, natsServer, oldNatsServer, build]) await step();
  });
  finished();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  note(`✗ ${error.message}`);
  process.exitCode = 1;
}
