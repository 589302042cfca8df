/** Emits `dist` of the packages named on the command line (default: every workspace package) with SWC, file by file. */
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { transform } from '@swc/core';
import { swcOptions } from './swc.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
async function packages() {
  const found = ['proto'];
  for (const group of ['libs', 'services'])
    for (const name of await readdir(path.join(root, group))) found.push(`${group}/${name}`);
  return found;
}

async function exists(file) {
  return (await stat(file).catch(() => undefined)) !== undefined;
}

async function emit(from, to, file) {
  const source = path.join(from, file);
  const output = path.join(to, file.replace(/\.tsx?$/, '.js'));
  await mkdir(path.dirname(output), { recursive: true });
  if (!/\.tsx?$/.test(file)) return writeFile(path.join(to, file), await readFile(source));
  const { code, map } = await transform(await readFile(source, 'utf8'), {
    ...swcOptions,
    sourceMaps: true,
    filename: source,
    sourceFileName: path.relative(path.dirname(output), source),
  });
  await writeFile(output, `${code}\n//# sourceMappingURL=${path.basename(output)}.map\n`);
  await writeFile(`${output}.map`, map ?? '');
}

async function build(project) {
  const base = path.join(root, project);
  const dist = path.join(base, 'dist');
  const from = path.join(base, project === 'proto' ? 'gen' : 'src');
  if (!(await exists(from))) return 0;
  const fresh = path.join(root, 'node_modules/.cache/writ/build', `${path.basename(project)}-${process.pid}`);
  await mkdir(fresh, { recursive: true });
  const files = (await readdir(from, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && !/\.test\.tsx?$|\.d\.ts$/.test(entry.name))
    .map((entry) => path.relative(from, path.join(entry.parentPath, entry.name)));
  await Promise.all(files.map((file) => emit(from, fresh, file)));
  await replace(dist, fresh);
  return files.length;
}

/** Whoever runs from `dist` meanwhile sees the old or the new one, and another build at the same time does no harm. */
async function replace(dist, fresh, tries = 5) {
  const old = `${fresh}-old-${tries}`;
  await rename(dist, old).catch(() => {});
  try {
    await rename(fresh, dist);
  } catch (error) {
    if (tries === 0) throw error;
    await replace(dist, fresh, tries - 1);
  }
  await rm(old, { recursive: true, force: true });
}

const named = process.argv.slice(2);
for (const project of named.length > 0 ? named : await packages()) {
  const files = await build(project);
  if (named.length === 0 && files > 0) process.stderr.write(`  built ${project} (${files} files)\n`);
}
