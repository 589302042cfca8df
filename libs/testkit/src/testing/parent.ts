/** A program for the testkit's own test: it starts a child and a server, repeats what it is told, and waits to be killed. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { startNats } from '@writ/servers';
import { startProcess } from '../project-process.js';

if (process.argv.includes('--exit')) {
  console.log('bye');
  process.exit(3);
}
if (process.argv.includes('--child')) {
  setInterval(() => {}, 60_000);
} else {
  const child = startProcess('libs/testkit/src/testing/parent.ts', { args: ['--child'] });
  const nats = await startNats({ dataDir: await mkdtemp(path.join(tmpdir(), 'writ-test-parent-')), scratch: true });
  console.log(`child ${child.pid} server ${nats.pid}`);
  createInterface(process.stdin).on('line', (line) => console.log(`heard ${line}`));
}
