import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { list, readCommandLine, refuse } from '../command-line.js';
import { short, summarise, verdictOf, type Bench, type Choice, type Figure, type Measurement } from './bench.js';
import { measureConditions, type Conditions } from './conditions.js';

const options = {
  json: { type: 'boolean', default: false },
  runs: { type: 'string', default: '3' },
  durability: { type: 'string', default: 'fsync' },
  write: { type: 'boolean', default: false },
  only: { type: 'string' },
  peers: { type: 'boolean', default: false },
} as const;

const command = 'npm run bench';

const usage = `${command} -- <name> [options]

  --runs 3                  how often; the figures are the median and the range
  --only <part,part>        parts of a bench that has some
  --peers                   other engines too, in turns with this one
  --durability fsync|flush  what an acknowledgement promises of the disk
  --json                    one object on stdout, everything else on stderr
  --write                   writes the page that keeps the figures, where there is one
`;

/** @returns the exit code: 2 for a bench or an option that there is not; a missed target is told, not punished */
export async function main(argv: readonly string[]): Promise<number> {
  const { name, values, wrong } = readCommandLine(argv, options);
  if (wrong !== undefined) return refuse(command, wrong);
  const names = await benches();
  if (name === undefined || values.help) return list(usage, await Promise.all(names.map(load)));
  const runs = Number(values.runs);
  const { durability } = values;
  if (!names.includes(name)) return refuse(command, `There is no bench \`${name}\`; there are: ${names.join(', ')}.`);
  if (!Number.isInteger(runs) || runs < 1)
    return refuse(command, `\`--runs ${values.runs}\`: it is a whole number from 1 on.`);
  if (durability !== 'fsync' && durability !== 'flush')
    return refuse(command, `\`--durability ${durability}\`: it is fsync or flush.`);

  // In JSON mode stdout carries one object and nothing else, whatever a library writes.
  const write = process.stdout.write.bind(process.stdout);
  if (values.json) process.stdout.write = process.stderr.write.bind(process.stderr);
  const bench = await load(name);
  const only = values.only?.split(',') ?? bench.parts ?? [];
  const unknown = only.filter((part) => bench.parts?.includes(part) !== true);
  if (unknown.length > 0)
    return refuse(
      command,
      `\`${name}\` has no part ${unknown.join(', ')}; its parts: ${bench.parts?.join(', ') ?? 'none'}.`,
    );
  const conditions = await measureConditions(durability);
  printConditions(bench, conditions);
  const figures = summarise(await measure(bench, conditions, runs, { parts: new Set(only), peers: values.peers }));
  const written = values.write ? await bench.document?.(figures, conditions) : undefined;
  if (written !== undefined) console.log(`  written: ${written}`);
  if (values.json) write(`${JSON.stringify({ bench: name, conditions, figures })}\n`);
  printFigures(bench, figures, runs);
  return 0;
}

async function measure(
  bench: Bench<unknown>,
  conditions: Conditions,
  runs: number,
  choice: Choice,
): Promise<Measurement[][]> {
  const prepared = await bench.prepare?.(conditions);
  const results: Measurement[][] = [];
  try {
    for (let run = 1; run <= runs; run++) {
      process.stderr.write(`  … run ${run} of ${runs}\n`);
      results.push(await bench.run(conditions, prepared, choice));
    }
  } finally {
    if (prepared && typeof prepared === 'object' && Symbol.asyncDispose in prepared) {
      await (prepared as AsyncDisposable)[Symbol.asyncDispose]();
    }
  }
  return results;
}

async function benches(): Promise<string[]> {
  const files = await readdir(import.meta.dirname);
  return files.flatMap((file) => /^(.+)\.bench\.ts$/.exec(file)?.[1] ?? []).sort();
}

async function load(name: string): Promise<Bench<unknown>> {
  const file = path.join(import.meta.dirname, `${name}.bench.ts`);
  const { bench } = (await import(pathToFileURL(file).href)) as { bench: Bench<unknown> };
  return bench;
}

function printConditions(bench: Bench<unknown>, conditions: Conditions): void {
  console.log(`${bench.name}: ${bench.about}\n`);
  for (const [name, value] of Object.entries(conditions)) console.log(`  ${name.padEnd(14)} ${value}`);
  for (const not of bench.doesNotMeasure) console.log(`  does not measure: ${not}`);
  console.log();
}

function printFigures(bench: Bench<unknown>, figures: readonly Figure[], runs: number): void {
  console.log(`\n  ${'figure'.padEnd(28)} ${'median'.padStart(12)}   range of ${runs} runs`);
  for (const { name, value, min, max, unit } of figures) {
    const verdict = verdictOf(bench.targets?.[name], value);
    console.log(
      `  ${name.padEnd(28)} ${short(value).padStart(12)}   ${short(min)} to ${short(max)} ${unit}${verdict && `   ${verdict}`}`,
    );
  }
}
