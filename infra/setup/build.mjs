/** Emits every package's `dist` when a source has changed since the last time. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { cache, root } from './places.mjs';
import { present, run, SetupError, tail } from './report.mjs';

const stamp = path.join(cache, 'build.stamp');

export async function build() {
  const sources = fingerprint();
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === sources) return present('build');
  const nx = realpathSync(path.join(root, 'node_modules/.bin/nx'));
  const env = { ...process.env, NX_DAEMON: 'false', NX_NO_CLOUD: 'true', NX_TUI: 'false', FORCE_COLOR: '0' };
  const node = path.join(root, 'node_modules/.bin/node');
  const { code, output } = await run('build', node, [nx, 'run-many', '-t', 'build'], { cwd: root, env });
  if (code !== 0) throw new SetupError(`the build failed:\n${tail(output, 40)}`);
  mkdirSync(cache, { recursive: true });
  writeFileSync(stamp, sources);
}

/** Names, sizes and times of all sources, and whether each package has a build: 1,000 files take some milliseconds. */
function fingerprint() {
  const hash = createHash('sha256');
  const add = (file) => {
    const { size, mtimeMs } = statSync(file);
    hash.update(`${file} ${size} ${mtimeMs}\n`);
  };
  for (const name of ['infra/build.mjs', 'infra/swc.mjs', 'nx.json', 'package.json']) add(path.join(root, name));
  for (const project of projects()) {
    add(path.join(project, 'package.json'));
    for (const folder of ['src', 'gen', 'migrations'])
      for (const file of filesIn(path.join(project, folder))) add(file);
    hash.update(`${project} ${existsSync(path.join(project, 'dist'))}\n`);
  }
  return hash.digest('hex');
}

function projects() {
  const groups = ['libs', 'services'].map((group) => path.join(root, group));
  const inGroups = groups.flatMap((group) => readdirSync(group).map((name) => path.join(group, name)));
  return [path.join(root, 'proto'), ...inGroups].filter((folder) => existsSync(path.join(folder, 'package.json')));
}

function filesIn(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const place = path.join(folder, entry.name);
    return entry.isDirectory() ? filesIn(place) : [place];
  });
}
