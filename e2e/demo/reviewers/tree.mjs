/** What the reviewers share: walking a work tree, reading text, and printing findings as one JSON document. */
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import path from 'node:path';

const SKIPPED = new Set(['.git', 'node_modules', 'vendor', 'dist', 'build', 'target', '.venv', '__pycache__']);

/** Every regular file below `root`, as paths relative to it; links are not followed. */
export function* files(root, folder = '') {
  for (const entry of readdirSync(path.join(root, folder), { withFileTypes: true })) {
    const file = folder ? `${folder}/${entry.name}` : entry.name;
    if (entry.isDirectory() && !SKIPPED.has(entry.name)) yield* files(root, file);
    else if (entry.isFile()) yield file;
  }
}

/** The text of a file, or undefined where it is binary or larger than `maxBytes`. */
export function text(root, file, maxBytes = 1 << 20) {
  const full = path.join(root, file);
  if (lstatSync(full).size > maxBytes) return undefined;
  const bytes = readFileSync(full);
  return bytes.subarray(0, 8192).includes(0) ? undefined : bytes.toString('utf8');
}

/** Lines of a stream of text, whatever the size of its chunks. */
export async function* lines(stream) {
  let rest = '';
  for await (const chunk of stream) {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop() ?? '';
    yield* parts;
  }
  if (rest) yield rest;
}

/**
 * A finding keeps its id as long as the same thing is wrong at the same place, so that a later review can tell new from
 * known; line numbers move and are not part of it.
 */
export function finding(rule, file, subject, message, extra = {}) {
  const id = createHash('sha256').update([rule, file, subject].join('\n')).digest('hex').slice(0, 16);
  return { id, rule, path: file, message, ...extra };
}

/** Ends a reviewer: at most 500 findings, worst first as they came, and what was looked at. */
export function report(findings, looked) {
  const unique = [...new Map(findings.map((item) => [item.id, item])).values()];
  process.stdout.write(JSON.stringify({ findings: unique.slice(0, 500), total: unique.length, looked }));
}
