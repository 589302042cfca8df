import { randomInt } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { findNatsServer } from '@writ/servers';
import type { Fault, Report } from './fault.js';

/** @returns the exit code: 1 where a promise is broken, 2 for a name that there is not */
export async function main(name: string | undefined, given: { seconds?: string; seed?: string }): Promise<number> {
  const names = await faults();
  const seed = Number(given.seed ?? randomInt(2 ** 31));
  const length = given.seconds === undefined ? {} : { seconds: Number(given.seconds) };
  const valid = Number.isInteger(seed) && (length.seconds ?? 1) > 0;
  if (name === undefined || !names.includes(name) || !valid) return list(names, name);
  const fault = await load(name);
  console.log(`${fault.name}: ${fault.about}\n`);
  const { version } = await findNatsServer();
  console.log(
    `  Node ${process.versions.node}, nats-server ${version}, ${cpus().length} cores, load ${load1m()}, seed ${seed}\n`,
  );
  const begin = performance.now();
  try {
    await fault.run(report(begin), { seed, ...length });
  } catch (error) {
    console.error(`\n✗ ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return 1;
  }
  console.log(`\n  done after ${seconds(begin)} s, load ${load1m()}`);
  return 0;
}

function report(begin: number): Report {
  const line = (mark: string, what: string): void => console.log(`${seconds(begin).padStart(6)} s ${mark} ${what}`);
  return {
    holds: (what) => line('✓', what),
    tells: (what) => line(' ', what),
    notRun: (what, why) => line('–', `NOT RUN: ${what}: ${why}`),
  };
}

async function faults(): Promise<string[]> {
  const files = await readdir(import.meta.dirname);
  return files.flatMap((file) => /^(.+)\.fault\.ts$/.exec(file)?.[1] ?? []).sort();
}

async function load(name: string): Promise<Fault> {
  const file = path.join(import.meta.dirname, `${name}.fault.ts`);
  return ((await import(pathToFileURL(file).href)) as { fault: Fault }).fault;
}

async function list(names: string[], asked: string | undefined): Promise<number> {
  if (asked !== undefined && !names.includes(asked)) console.error(`There is no fault \`${asked}\`.\n`);
  console.error('npm run faults -- <name> [--seconds N] [--seed N]\n');
  for (const name of names) console.error(`  ${name.padEnd(16)} ${(await load(name)).about}`);
  return asked === undefined ? 0 : 2;
}

function seconds(begin: number): string {
  return ((performance.now() - begin) / 1000).toFixed(1);
}

function load1m(): string {
  return (loadavg()[0] ?? 0).toFixed(1);
}
