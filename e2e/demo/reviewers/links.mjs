/** Relative links in Markdown that lead nowhere: to a file that is not there, or to a heading that is not in it. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { files, finding, report, text } from './tree.mjs';

const [root] = process.argv.slice(2);
const LINK = /!?\[(?:[^\]\\]|\\.)*\]\(\s*<?([^)\s>]+)>?(?:\s+["'(][^)]*)?\)|^\s*\[[^\]]+\]:\s*<?(\S+?)>?\s*$/g;

/** The anchors that a Markdown file offers: headings the way forges make them, and explicit ids. */
function anchors(content) {
  const found = new Set();
  const counts = new Map();
  for (const line of prose(content)) {
    for (const id of line.text.matchAll(/<a\s+(?:id|name)="([^"]+)"/g)) found.add(id[1].toLowerCase());
    const heading = /^#{1,6}\s+(.*?)\s*#*$/.exec(line.text)?.[1];
    if (heading === undefined) continue;
    const base = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replace(/\s/g, '-');
    const count = counts.get(base) ?? 0;
    counts.set(base, count + 1);
    found.add(count === 0 ? base : `${base}-${count}`);
  }
  return found;
}

/** Lines outside fenced code, with code spans blanked. */
function* prose(content) {
  let fence;
  for (const [index, line] of content.split('\n').entries()) {
    const mark = /^\s*(```+|~~~+)/.exec(line)?.[1];
    if (mark && (fence === undefined || mark.startsWith(fence))) {
      fence = fence === undefined ? mark.slice(0, 3) : undefined;
      continue;
    }
    if (fence === undefined) yield { number: index + 1, text: line.replace(/`[^`]*`/g, '') };
  }
}

function broken(file, content, target) {
  if (/^[a-z][a-z0-9+.-]*:|^\/\//i.test(target)) return undefined;
  let [place, anchor] = target.split('#', 2);
  try {
    place = decodeURIComponent(place.split('?')[0]);
  } catch {
    return 'is not a valid link';
  }
  const full =
    place === '' ? file : place.startsWith('/') ? place.slice(1) : path.posix.join(path.posix.dirname(file), place);
  if (full.startsWith('..')) return 'leads out of the repository';
  if (!existsSync(path.join(root, full))) return 'leads to nothing';
  if (!anchor || !/\.(?:md|markdown)$/i.test(full)) return undefined;
  const there = full === file ? content : text(root, full);
  return there !== undefined && !anchors(there).has(decodeURIComponent(anchor).toLowerCase())
    ? 'names a heading that is not there'
    : undefined;
}

const found = [];
const looked = { files: 0, links: 0 };
for (const file of files(root)) {
  if (!/\.(?:md|markdown)$/i.test(file)) continue;
  const content = text(root, file);
  if (content === undefined) continue;
  looked.files++;
  for (const line of prose(content)) {
    for (const match of line.text.matchAll(LINK)) {
      const target = match[1] ?? match[2];
      looked.links++;
      const why = broken(file, content, target);
      if (why)
        found.push(finding('link/broken', file, target, `${target} ${why}`, { line: line.number, severity: 'low' }));
    }
  }
}
report(found, looked);
