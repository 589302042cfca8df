import { readFile } from 'node:fs/promises';
import { text as whole } from 'node:stream/consumers';
import { Refused } from '../failure/refused.js';

/** The text of a file, or of stdin for `-`. @throws Refused `cli.bad_input` */
export async function readInput(file: string): Promise<string> {
  if (file === '-') return whole(process.stdin);
  return readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Refused('cli.bad_input', `${file} cannot be read: ${error.code ?? error.message}`);
  });
}

/** JSON as it is given on a command line: itself, `@file`, or `-` for stdin. @throws Refused `cli.bad_input` */
export async function jsonOf(given: string, what: string): Promise<unknown> {
  const text = given === '-' ? await readInput('-') : given.startsWith('@') ? await readInput(given.slice(1)) : given;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Refused('cli.bad_input', `${what} is not JSON: ${(error as Error).message}`, {
      hint: `quote it as one word: '{"name":"Ada"}'; or name a file: @input.json; or - for stdin`,
    });
  }
}

/** The same, and it must be an object. */
export async function objectOf(given: string, what: string): Promise<Record<string, unknown>> {
  const value = await jsonOf(given, what);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new Refused('cli.bad_input', `${what} must be a JSON object`);
}

/** A duration as JSON has it (`90s`) out of `90s`, `15m`, `6h`, `1d`. @throws Refused `cli.bad_input` */
export function durationOf(given: string, what: string): string {
  const [, amount, unit] = /^(\d+)([smhd])$/.exec(given) ?? [];
  const seconds = { s: 1, m: 60, h: 3_600, d: 86_400 }[unit ?? ''];
  if (amount && seconds) return `${Number(amount) * seconds}s`;
  throw new Refused('cli.bad_input', `${what} is no duration: '${given}'`, { hint: '30s, 15m, 6h, 1d' });
}

/** An RFC 3339 time out of a date, a time, or how long ago it was: `2026-11-23`, `90m`, `2d`. */
export function timeOf(given: string | undefined, what: string): string | undefined {
  if (given === undefined) return undefined;
  const [, amount, unit] = /^(\d+)([smhd])$/.exec(given) ?? [];
  const milliseconds = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[unit ?? ''];
  const time = amount && milliseconds ? Date.now() - Number(amount) * milliseconds : Date.parse(given);
  if (!Number.isNaN(time)) return new Date(time).toISOString();
  throw new Refused('cli.bad_input', `${what} is no time: '${given}'`, { hint: '2026-11-23T08:00:00Z, or 90m, 2d' });
}
