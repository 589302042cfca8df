/** Dependency manifests: versions that are not pinned, one dependency in two versions, and licences that nobody named. */
import path from 'node:path';
import { files, finding, report, text } from './tree.mjs';

const [root] = process.argv.slice(2);

function json(content) {
  try {
    return JSON.parse(content);
  } catch {
    return undefined;
  }
}

function* npm(content) {
  const manifest = json(content) ?? {};
  for (const group of ['dependencies', 'devDependencies', 'optionalDependencies'])
    for (const [name, version] of Object.entries(manifest[group] ?? {}))
      yield {
        name,
        version: String(version),
        pinned: /^(?:npm:.*@)?v?\d+\.\d+\.\d+|^(?:workspace|file|link):/.test(String(version)),
      };
}
function* requirements(content) {
  for (const line of content.split('\n')) {
    const match = /^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*([=<>!~].*)?$/.exec(line.split('#')[0].trim());
    if (match)
      yield {
        name: match[1].toLowerCase(),
        version: match[2]?.trim() ?? '',
        pinned: /^==\s*[^*]+$/.test(match[2] ?? ''),
      };
  }
}
function* cargo(content) {
  let inside = false;
  for (const line of content.split('\n')) {
    if (/^\s*\[/.test(line)) inside = /dependencies\]?/.test(line);
    const match = inside && /^\s*([A-Za-z0-9_-]+)\s*=\s*(?:"([^"]+)"|\{.*?version\s*=\s*"([^"]+)")/.exec(line);
    if (match)
      yield { name: match[1], version: match[2] ?? match[3], pinned: /^=?\d+\.\d+\.\d+/.test(match[2] ?? match[3]) };
  }
}
function* gomod(content) {
  for (const match of content.matchAll(/^\s*(?:require\s+)?([a-z0-9.-]+\.[a-z]+\/\S+)\s+(v\S+)/gm))
    yield { name: match[1], version: match[2], pinned: true };
}
function* gemfile(content) {
  for (const match of content.matchAll(/^\s*gem\s+['"]([^'"]+)['"](?:\s*,\s*['"]([^'"]+)['"])?/gm))
    yield { name: match[1], version: match[2] ?? '', pinned: /^\d/.test(match[2] ?? '') };
}
function* maven(content) {
  for (const match of content.matchAll(/<dependency>([\s\S]*?)<\/dependency>/g)) {
    const field = (name) => new RegExp(`<${name}>([^<]+)</${name}>`).exec(match[1])?.[1]?.trim();
    const version = field('version');
    if (version)
      yield {
        name: `${field('groupId')}:${field('artifactId')}`,
        version,
        pinned: !/[[(,]|LATEST|RELEASE|SNAPSHOT/.test(version),
      };
  }
}
const MANIFESTS = {
  'package.json': npm,
  'requirements.txt': requirements,
  'Cargo.toml': cargo,
  'go.mod': gomod,
  Gemfile: gemfile,
  'pom.xml': maven,
};
const LICENCE = /^(?:licen[cs]e|copying|unlicense)(?:[.-].*)?$/i;

const found = [];
const versions = new Map();
const looked = { manifests: 0, dependencies: 0 };
let licensed = false;
for (const file of files(root)) {
  const name = path.posix.basename(file);
  if (!file.includes('/') && LICENCE.test(name)) licensed = true;
  const read = MANIFESTS[name] ?? (/^requirements.*\.txt$/.test(name) ? requirements : undefined);
  const content = read && text(root, file);
  if (content === undefined) continue;
  looked.manifests++;
  for (const dependency of read(content)) {
    looked.dependencies++;
    if (!dependency.pinned)
      found.push(
        finding(
          'dependency/unpinned',
          file,
          dependency.name,
          `${dependency.name} is not pinned: ${dependency.version || 'no version'}`,
          { severity: 'medium' },
        ),
      );
    const key = `${read.name} ${dependency.name}`;
    const seen = versions.get(key) ?? new Map();
    seen.set(dependency.version, [...(seen.get(dependency.version) ?? []), file]);
    versions.set(key, seen);
  }
  if (name === 'package.json') {
    const manifest = json(content);
    if (manifest === undefined)
      found.push(finding('dependency/unreadable', file, 'json', 'is not valid JSON', { severity: 'high' }));
    else if (!manifest.license && !manifest.licenses)
      found.push(finding('licence/unknown', file, 'license', 'names no licence', { severity: 'medium' }));
  }
}
for (const [key, seen] of versions) {
  if (seen.size < 2) continue;
  const name = key.split(' ')[1];
  const places = [...seen].map(([version, where]) => `${version || 'none'} in ${where[0]}`).join(', ');
  found.push(
    finding('dependency/duplicated', [...seen.values()][0][0], name, `${name} has ${seen.size} versions: ${places}`, {
      severity: 'low',
    }),
  );
}
if (!licensed)
  found.push(
    finding('licence/unknown', '.', 'LICENSE', 'the repository has no licence file at its root', {
      severity: 'medium',
    }),
  );
report(found, looked);
