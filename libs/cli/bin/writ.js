#!/usr/bin/env node
/** Starts `writ` on the pinned Node: npm's bin link runs whatever `node` is in PATH, which may be older. Plain JavaScript that Node 18 can run. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const wanted = 24;
const here = path.dirname(fileURLToPath(import.meta.url));
const program = path.join(here, '../dist/main.js');

/** The nearest `node` that npm installed beside this package or above it. */
function pinnedNode() {
  for (let folder = here; ; folder = path.dirname(folder)) {
    for (const name of ['node', 'node.exe']) {
      const file = path.join(folder, 'node_modules/.bin', name);
      if (existsSync(file)) return file;
    }
    if (folder === path.dirname(folder)) return undefined;
  }
}

function runOn(node) {
  const child = spawn(node, [program, ...process.argv.slice(2)], { stdio: 'inherit' });
  // A Ctrl-C of the terminal reaches the child too; this process only waits for how it ends.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 1);
  });
}

if (!existsSync(program)) {
  process.stderr.write('error: writ is not built here (cli.not_built)\n  try   npm run build\n');
  process.exitCode = 1;
} else if (Number(process.versions.node.split('.')[0]) >= wanted) {
  await import('../dist/main.js');
} else {
  const node = pinnedNode();
  if (node !== undefined) runOn(node);
  else {
    process.stderr.write(
      `error: writ needs Node ${wanted} or newer, this is ${process.versions.node} (cli.old_node)\n`,
    );
    process.stderr.write('  try   npm install, which brings the right one into node_modules/.bin\n');
    process.exitCode = 1;
  }
}
