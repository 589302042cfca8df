/** Hot spots: files that are both large and changed often are where the next defect is most likely. */
import { spawn } from 'node:child_process';
import { files, finding, lines, report, text } from './tree.mjs';

const [root, repository] = process.argv.slice(2);
const commits = new Map();
const churn = new Map();
const looked = { commits: 0, files: 0 };

const log = spawn(
  'git',
  [
    '--git-dir',
    repository,
    'log',
    '--no-merges',
    '--numstat',
    '--no-renames',
    '--no-color',
    '--format=commit %H',
    '-n',
    '20000',
  ],
  { stdio: ['ignore', 'pipe', 'ignore'] },
);
log.stdout.setEncoding('utf8');
for await (const line of lines(log.stdout)) {
  if (line.startsWith('commit ')) looked.commits++;
  const [added, removed, file] = line.split('\t');
  if (file === undefined || added === '-') continue;
  commits.set(file, (commits.get(file) ?? 0) + 1);
  churn.set(file, (churn.get(file) ?? 0) + Number(added) + Number(removed));
}

const GENERATED =
  /(?:^|\/)(?:package-lock\.json|yarn\.lock|pnpm-lock\.yaml|Cargo\.lock|go\.sum)$|\.(?:min\.js|snap|svg|lock)$/;
const ranked = [];
for (const file of files(root)) {
  looked.files++;
  const changes = commits.get(file) ?? 0;
  if (changes < 2 || GENERATED.test(file)) continue;
  const size = text(root, file)?.split('\n').length ?? 0;
  ranked.push({ file, changes, size, churn: churn.get(file) ?? 0, score: changes * Math.log2(size + 1) });
}
ranked.sort((a, b) => b.score - a.score || a.file.localeCompare(b.file));

const top = ranked.slice(0, 10);
report(
  top.map((item, place) =>
    finding(
      'hotspot',
      item.file,
      'hotspot',
      `changed in ${item.changes} commits (${item.churn} lines), ${item.size} lines now`,
      {
        rank: place + 1,
        score: Math.round(item.score * 10) / 10,
        severity: place < 3 ? 'medium' : 'low',
      },
    ),
  ),
  looked,
);
