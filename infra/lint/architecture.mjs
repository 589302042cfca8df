/** The shape of the repository, as far as ESLint cannot see it. Each check gives its findings as `place: what is wrong`. */
import { builtinModules } from 'node:module';

/**
 * @typedef {{paths: string[], read(path: string): string}} Tree the files that Git knows or would take, from the root
 */

const topLevel = [
  'package.json',
  'nx.json',
  'tsconfig.base.json',
  'README.md',
  'services',
  'libs',
  'proto',
  'infra',
  'e2e',
];
const vague = /(^|\/)(common|shared|utils?|helpers?|misc|core)(\/|\.[a-z.]+$)/;
const kebab = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)*$/;
const code = /\.(ts|tsx|mjs|cjs|js)$/;
const thirdParty = /^proto\/(gen|google|buf|grpc)\//;

/** Written so that this file does not find itself. */
const forbiddenText = [
  [
    /registry\.np[m]js|deb\.deb[i]an|proxy\.gol[a]ng|files\.pyth[o]nhosted|crates\.i[o]\/api|repo\d?\.mav[e]n/,
    'names a registry host',
  ],
  [/(^|[\s'"`(=:])\/(w[o]rk|f[a]rm|r[o]ot|h[o]me\/(?!agent\/)[a-z]+)\//m, 'names a path of one machine'],
];
const forbiddenCode = [
  [/\b(TO[D]O|FIX[M]E|XX[X])\b/, 'leaves something for later'],
  [/\b(it|test|describe)\.(only|skip|todo|failing)\(|\bx(it|describe)\(/, 'switches a test off, or all others'],
];

export const checks = {
  /** @param {Tree} tree */
  topLevel({ paths }) {
    const allowed = (name) =>
      name.startsWith('.') || name === 'package-lock.json' || name === 'LICENSE' || topLevel.includes(name);
    const found = new Set(paths.map((path) => path.split('/')[0]));
    const missing = topLevel.filter((name) => !found.has(name)).map((name) => `${name}: missing at the top level`);
    const extra = [...found]
      .filter((name) => !allowed(name))
      .map((name) => `${name}: does not belong to the top level`);
    return [...missing, ...extra];
  },

  /** @param {Tree} tree */
  names({ paths }) {
    const own = paths.filter((path) => !thirdParty.test(path));
    const sayNothing = own.filter((path) => vague.test(path)).map((path) => `${path}: a name that says nothing`);
    const sources = own.filter((path) => code.test(path) && /^(libs|services|e2e|infra)\//.test(path));
    const odd = sources.filter((path) => !kebab.test(path.split('/').at(-1)) && !/\/migrations\/\d+-/.test(path));
    const index = sources.filter(
      (path) => /\/index\.ts$/.test(path) && !/^(libs|services)\/[^/]+\/src\/(testing\/)?index\.ts$/.test(path),
    );
    return [
      ...sayNothing,
      ...odd.map((path) => `${path}: files are kebab-case.role.ts`),
      ...index.map((path) => `${path}: the only index is the package's src/index.ts`),
    ];
  },

  /** @param {Tree} tree */
  text(tree) {
    const readable = tree.paths.filter(
      (path) => !thirdParty.test(path) && path !== 'package-lock.json' && !/\.(png|svg|gif|ico|wasm)$/.test(path),
    );
    return readable.flatMap((path) => {
      const patterns = code.test(path) ? [...forbiddenText, ...forbiddenCode] : forbiddenText;
      const text = tree.read(path);
      return patterns
        .filter(([pattern]) => pattern.test(text))
        .map(([pattern, why]) => `${path}:${lineOf(text, pattern)}: ${why}`);
    });
  },

  /** A package declares what its sources import; its tests may also use the testkit and what the root declares. */
  dependencies(tree) {
    const root = JSON.parse(tree.read('package.json'));
    const manifests = tree.paths.filter((path) => /^((libs|services)\/[^/]+|proto|e2e)\/package\.json$/.test(path));
    return manifests.flatMap((manifest) => {
      const folder = manifest.replace('package.json', '');
      const own = JSON.parse(tree.read(manifest));
      const declared = new Set([
        own.name,
        ...Object.keys({ ...own.dependencies, ...own.peerDependencies, ...own.optionalDependencies }),
      ]);
      const inTests = new Set([
        ...declared,
        ...Object.keys({ ...own.devDependencies, ...root.devDependencies }),
        '@writ/testkit',
        '@writ/servers',
      ]);
      const sources = tree.paths.filter((path) => path.startsWith(folder) && /\.tsx?$/.test(path));
      return sources.flatMap((path) => {
        const allowed = isTest(path) ? inTests : declared;
        const undeclared = [...imports(tree.read(path))].filter(
          (name) => !allowed.has(name) && !allowed.has(typesOf(name)),
        );
        return undeclared.map((name) => `${path}: imports ${name}, which ${manifest} does not declare`);
      });
    });
  },

  /** Exact versions, and one version of a package in the whole repository. */
  versions(tree) {
    const manifests = tree.paths.filter((path) => /(^|\/)package\.json$/.test(path) && !/fixtures|examples/.test(path));
    const seen = new Map();
    return manifests.flatMap((path) => {
      const { dependencies, devDependencies, optionalDependencies } = JSON.parse(tree.read(path));
      return Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies }).flatMap(
        ([name, version]) => {
          if (!/^(npm:.+@)?\d/.test(version)) return [`${path}: ${name} ${version} is not one exact version`];
          const other = seen.get(name) ?? version;
          seen.set(name, other);
          return other === version ? [] : [`${path}: ${name} ${version}, elsewhere ${other}`];
        },
      );
    });
  },
};

function isTest(path) {
  return /\.test\.tsx?$|\/testing\/|\.contract\.ts$|^e2e\//.test(path);
}

function* imports(text) {
  const withoutComments = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
  const pattern =
    /(?:^|\n)\s*(?:import|export)\s[^'"`;]*?from\s+['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)|(?:^|\n)import\s+['"]([^'"]+)['"]/g;
  for (const [, from, dynamic, bare] of withoutComments.matchAll(pattern)) {
    const specifier = from ?? dynamic ?? bare;
    if (/^(\.|node:|#)/.test(specifier) || builtinModules.includes(specifier)) continue;
    const [scope, name] = specifier.split('/');
    yield specifier.startsWith('@') ? `${scope}/${name}` : scope;
  }
}

/** `import type { X } from 'koa'` needs @types/koa alone. */
function typesOf(name) {
  return `@types/${name.replace('@', '').replace('/', '__')}`;
}

function lineOf(text, pattern) {
  const index = text.search(pattern);
  return text.slice(0, index + 1).split('\n').length;
}
