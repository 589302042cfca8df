/**
 * The gate between promises and tests: every id in `e2e/requirements.ts` is cited by a test, and every citation names
 * an id that is there.
 */

const citation = /\bverifies\(\s*((?:['"][^'"]+['"][\s,]*)+)\)/g;

/**
 * @param {{id: string, promise: string}[]} requirements
 * @param {{path: string, text: string}[]} tests sources of test files
 * @returns {string[]} what is wrong
 */
export function gaps(requirements, tests) {
  const cited = new Map();
  for (const { path, text } of tests) for (const id of citations(text)) if (!cited.has(id)) cited.set(id, path);
  const ids = requirements.map(({ id }) => id);
  const twice = ids.filter((id, index) => ids.indexOf(id) !== index);
  const unshown = requirements.filter(({ id }) => !cited.has(id));
  const unknown = [...cited].filter(([id]) => !ids.includes(id));
  return [
    ...twice.map((id) => `${id}: promised twice`),
    ...unshown.map(({ id, promise }) => `${id}: no test shows that ${promise}`),
    ...unknown.map(([id, path]) => `${id}: ${path} cites it, and e2e/requirements.ts does not promise it`),
  ];
}

function* citations(text) {
  for (const [, list] of text.matchAll(citation)) for (const [, id] of list.matchAll(/['"]([^'"]+)['"]/g)) yield id;
}
