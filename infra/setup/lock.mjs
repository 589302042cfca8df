/** Two commands in two terminals must not both install packages. */
import { createHash } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { root } from './places.mjs';
import { note } from './report.mjs';

const file = path.join(tmpdir(), `writ-setup-${createHash('sha256').update(root).digest('hex').slice(0, 16)}.lock`);

export async function exclusively(work) {
  let told = false;
  while (!take()) {
    if (!told) note('… waiting for another set-up of this clone');
    told = true;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const release = () => rmSync(file, { force: true });
  process.once('exit', release);
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
  try {
    return await work();
  } finally {
    release();
  }
}

/** The file is made or not made, never half; one whose process is gone is taken over. */
function take() {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  try {
    process.kill(Number(readFileSync(file, 'utf8')), 0);
  } catch (error) {
    if (error.code === 'ESRCH') rmSync(file, { force: true });
  }
  return false;
}
