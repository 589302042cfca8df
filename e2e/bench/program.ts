import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { short, summarise, verdictOf, type Bench, type Choice, type Figure, type Measurement } from './bench.js';
import { measureConditions, type Conditions } from './conditions.js';

interface Options {
  json: boolean;
  runs: string;
  durability: string;
  write: boolean;
  only: string | undefined;
  peers: boolean;
}

/** @returns the exit code: 2 for a bench or an option that there is not; a missed target is told, not punished */
export async function main(name: string | undefined, options: Options): Promise<number> {
  const names = await benches();
  const runs = Number(options.runs);
  const durability = options.durability;
  const valid = Number.isInteger(runs) && runs > 0 && (durability === 'fsync' || durability === 'flush');
  if (name === undefined || !names.includes(name) || !valid) return list(names, name);

  // In JSON mode stdout carries one object and nothing else, whatever a library writes.
  const write = process.stdout.write.bind(process.stdout);
  if (options.json) process.stdout.write = process.stderr.write.bind(process.stderr);
  const bench = await load(name);
  const only = options.only?.split(',') ?? bench.parts ?? [];
  const unknown = only.filter((part) => bench.parts?.includes(part) !== true);
  if (unknown.length > 0) {
    console.error(`\`${name}\` has no part ${unknown.join(', ')}; its parts: ${bench.parts?.join(', ') ?? 'none'}`);
    return 2;
  }
  const conditions = await measureConditions(durability as 'fsync' | 'flush');
  printConditions(bench, conditions);
  const figures = summarise(await measure(bench, conditions, runs, { parts: new Set(only), peers: options.peers }));
  const written = options.write ? await bench.document?.(figures, conditions) : undefined;
  if (written !== undefined) console.log(`  written: ${written}`);
  if (options.json) write(`${JSON.stringify({ bench: name, conditions, figures })}\n`);
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

async function list(names: string[], asked: string | undefined): Promise<number> {
  if (asked !== undefined && !names.includes(asked)) console.error(`There is no bench \`${asked}\`.\n`);
  console.error(
    'npm run bench -- <name> [--json] [--runs 3] [--durability fsync|flush] [--write] [--only <part,part>] [--peers]\n',
  );
  for (const name of names) console.error(`  ${name.padEnd(14)} ${(await load(name)).about}`);
  return asked === undefined ? 0 : 2;
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
