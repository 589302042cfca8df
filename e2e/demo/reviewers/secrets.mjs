/** Hard-coded secrets and high-entropy strings, in the tree and in the lines that the history ever added. */
import { createHash } from 'node:crypto';
import { spawn } from 'node:child_process';
import { files, finding, lines, report, text } from './tree.mjs';

const [root, repository] = process.argv.slice(2);
const HISTORY_LINES = 2_000_000;

const KNOWN = [
  ['private-key', /-----BEGIN (?:RSA |EC |OPENSSH |DSA |PGP )?PRIVATE KEY(?: BLOCK)?-----/],
  ['aws-access-key', /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/],
  ['github-token', /\bgh[pousr]_[A-Za-z0-9]{36,}\b/],
  ['slack-token', /\bxox[abprs]-[A-Za-z0-9-]{10,}\b/],
  ['google-api-key', /\bAIza[0-9A-Za-z_-]{35}\b/],
  ['stripe-key', /\b[rs]k_live_[0-9a-zA-Z]{20,}\b/],
  ['json-web-token', /\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\b/],
  ['password-in-url', /\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@'"<>${}]+:([^\s@'"<>${}/]{6,})@/],
];
const NAMED = /(?:password|passwd|secret|token|api[_-]?key|access[_-]?key)["']?\s*[:=]\s*["']([^"'\s]{12,200})["']/i;
const ENTROPY_SKIP =
  /(?:^|\/)(?:package-lock\.json|yarn\.lock|pnpm-lock\.yaml|Cargo\.lock|go\.sum|poetry\.lock|.*\.(?:svg|map|min\.js|snap|ipynb))$/;

/** Shannon entropy, bits a character. */
function entropy(value) {
  const counts = new Map();
  for (const character of value) counts.set(character, (counts.get(character) ?? 0) + 1);
  return [...counts.values()].reduce((sum, count) => sum - (count / value.length) * Math.log2(count / value.length), 0);
}

/** Never the secret itself: its start, its length and a digest to recognise it by. */
const masked = (value) => `${value.slice(0, 4)}… (${value.length} characters)`;
const digest = (value) => createHash('sha256').update(value).digest('hex').slice(0, 12);

function inLine(line, file) {
  if (line.length > 2_000) return undefined;
  for (const [rule, pattern] of KNOWN) {
    const match = pattern.exec(line);
    if (match) return { rule, value: match[1] ?? match[0] };
  }
  const named = ENTROPY_SKIP.test(file) ? undefined : NAMED.exec(line)?.[1];
  if (named && entropy(named) > 3.5 && /\d/.test(named) && !/[$<{(]|\.\.\.|example|process\.|env\./i.test(named))
    return { rule: 'high-entropy-string', value: named };
  return undefined;
}

const found = [];
const looked = { files: 0, historyLines: 0, historyComplete: true };
for (const file of files(root)) {
  const content = text(root, file);
  if (content === undefined) continue;
  looked.files++;
  content.split('\n').forEach((line, index) => {
    const hit = inLine(line, file);
    if (hit)
      found.push(
        finding(`secret/${hit.rule}`, file, digest(hit.value), `${hit.rule} ${masked(hit.value)}`, {
          line: index + 1,
          severity: 'high',
        }),
      );
  });
}

const inTree = new Set(found.map((item) => item.id));
const log = spawn(
  'git',
  [
    '--git-dir',
    repository,
    'log',
    '--all',
    '-p',
    '-U0',
    '--no-color',
    '--no-ext-diff',
    '--no-textconv',
    '--diff-filter=AM',
    '--format=commit %H',
  ],
  { stdio: ['ignore', 'pipe', 'ignore'] },
);
log.stdout.setEncoding('utf8');
let commit = '';
let file = '';
for await (const line of lines(log.stdout)) {
  if (++looked.historyLines > HISTORY_LINES) {
    looked.historyComplete = false;
    log.kill();
    break;
  }
  if (line.startsWith('commit ')) commit = line.slice(7, 19);
  else if (line.startsWith('+++ b/')) file = line.slice(6);
  else if (line.startsWith('+') && !line.startsWith('+++')) {
    const hit = inLine(line.slice(1), file);
    if (!hit) continue;
    const item = finding(
      `secret/${hit.rule}`,
      file,
      digest(hit.value),
      `${hit.rule} ${masked(hit.value)}, added in ${commit}; it stays in the history`,
      { commit, severity: 'high' },
    );
    if (!inTree.has(item.id)) found.push(item);
  }
}
report(found, looked);
