import { randomInt } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { findNatsServer } from '@writ/servers';
import { list, readCommandLine, refuse } from '../command-line.js';
import type { Fault, Report } from './fault.js';

const options = { seconds: { type: 'string' }, seed: { type: 'string' } } as const;

const command = 'npm run faults';

const usage = `${command} -- <name> [options]

  --seconds N       how long, of a fault that lasts as long as one likes
  --seed N          begins the same chance again; it is told at every start
`;

/** @returns the exit code: 1 where a promise is broken, 2 for a name or an option that there is not */
export async function main(argv: readonly string[]): Promise<number> {
  const { name, values, wrong } = readCommandLine(argv, options);
  if (wrong !== undefined) return refuse(command, wrong);
  const names = await faults();
  if (name === undefined || values.help) return list(usage, await Promise.all(names.map(load)));
  const seed = Number(values.seed ?? randomInt(2 ** 31));
  const length = values.seconds === undefined ? {} : { seconds: Number(values.seconds) };
  if (!names.includes(name)) return refuse(command, `There is no fault \`${name}\`; there are: ${names.join(', ')}.`);
  if (!Number.isInteger(seed)) return refuse(command, `\`--seed ${values.seed}\`: it is a whole number.`);
  if (!((length.seconds ?? 1) > 0)) return refuse(command, `\`--seconds ${values.seconds}\`: it is a number above 0.`);
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

function seconds(begin: number): string {
  return ((performance.now() - begin) / 1000).toFixed(1);
}

function load1m(): string {
  return (loadavg()[0] ?? 0).toFixed(1);
}
