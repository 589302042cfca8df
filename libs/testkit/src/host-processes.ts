import { readdirSync, readFileSync } from 'node:fs';

/** One process, as no later one with the same number is. */
export interface HostProcess {
  readonly pid: number;
  readonly started: string;
  readonly command: string;
}

/** Every process that this one has started, and those that they have started. */
export function processesBelow(pid: number): HostProcess[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    const parent = /^\d+$/.test(name) && statOf(Number(name))?.parent;
    if (parent) children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const below = (each: number): number[] => (children.get(each) ?? []).flatMap((child) => [child, ...below(child)]);
  return below(pid).flatMap((each) => processOf(each) ?? []);
}

/** Whether it still runs; one that nobody has waited for yet does not. */
export function isRunning({ pid, started }: HostProcess): boolean {
  const stat = statOf(pid);
  return stat?.started === started && stat.state !== 'Z';
}

/** It, as a program of this host. */
export function processOf(pid: number): HostProcess | undefined {
  const stat = statOf(pid);
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    return stat && { pid, started: stat.started, command };
  } catch {
    return undefined;
  }
}

function statOf(pid: number): { state: string; parent: number; started: string } | undefined {
  try {
    // The name of the program, in brackets, may hold anything.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return { state: fields[0] as string, parent: Number(fields[1]), started: fields[19] as string };
  } catch {
    return undefined;
  }
}
