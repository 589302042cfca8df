/** What the runs found, as a page of the design with a picture. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { projectRoot } from '@writ/testkit';
import { format, resolveConfig } from 'prettier';
import { short, verdictOf, type Figure, type Target } from '../bench.js';
import type { Conditions } from '../conditions.js';
import { versions } from './peers/install.js';
import { barChart, type BarGroup } from './picture.js';

const PAGE = 'infra/design/workflows.md';

const engines = [
  { label: 'Writ (fsync)', figure: (level: string, what: string) => `writ${level}${what}`, color: '#0b6e4f' },
  { label: 'Writ (flush)', figure: (level: string, what: string) => `writ${level}${what}Flush`, color: '#73b597' },
  { label: 'Restate', figure: (level: string, what: string) => `restate${level}${what}`, color: '#8a8f98' },
  { label: 'DBOS', figure: (level: string, what: string) => `dbos${level}${what}`, color: '#c3c7cd' },
] as const;

export async function writePage(
  figures: readonly Figure[],
  conditions: Conditions,
  targets: Readonly<Record<string, Target>>,
  doesNotMeasure: readonly string[],
): Promise<string> {
  const groups = [
    groupOf(figures, '64', '', 'workflows a second, 64 in flight'),
    groupOf(figures, '256', '', 'workflows a second, 256 in flight'),
    groupOf(figures, 'Alone', 'P50Ms', 'one workflow alone, p50 in ms (shorter is better)'),
  ].filter(({ bars }) => bars.length > 0);
  const page = path.join(projectRoot, PAGE);
  const picture = groups.length > 0;
  const once = figures.every(({ min, max }) => min === max);
  if (picture) await writeFile(page.replace('.md', '.svg'), barChart('Workflows of three durable steps', groups));
  const rows = figures.map(
    ({ name, value, min, max, unit }) =>
      `| ${name} | ${short(value)} | ${short(min)} to ${short(max)} | ${unit} | ${verdictOf(targets[name], value)} |`,
  );
  const text = [
    '# Workflows, measured',
    '',
    'Written by `npm run bench -- workflows --peers --write`; do not edit. Everything ran on one machine, one engine at a time: servers,',
    `one worker and one client, each in processes of its own. ${once ? 'One run.' : 'Several runs: the median, the smallest and the largest.'}`,
    '',
    ...(picture ? ['![Workflows a second and time of one](workflows.svg)', ''] : []),
    `| figure | median | range | unit | wanted |\n|---|---|---|---|---|`,
    ...rows,
    '',
    '## Conditions',
    '',
    '| | |\n|---|---|',
    ...Object.entries({ ...conditions, ...versions }).map(([name, value]) => `| ${name} | ${value} |`),
    '',
    '`…Flush` is Writ with `WRIT_DURABILITY=flush`; all else is as the conditions say. Restate and DBOS run with the settings that they',
    'are shipped with, which sync what they acknowledge. The client of Restate makes one request that is answered at the end; that of',
    'DBOS asks its worker over HTTP, which is faster than its queue; that of Writ makes two, a start and a wait, as its SDK does.',
    '',
    'Not measured: ' + doesNotMeasure.join('; ') + '.',
    '',
  ].join('\n');
  await writeFile(page, await format(text, { ...(await resolveConfig(page)), filepath: page }));
  return PAGE;
}

function groupOf(figures: readonly Figure[], level: string, what: string, title: string): BarGroup {
  const bars = engines.flatMap(({ label, figure, color }) => {
    const found = figures.find(({ name }) => name === figure(level, what));
    return found ? [{ label, value: found.value, color }] : [];
  });
  return { title, bars };
}
