/** What the processes of this machine cost, as `/proc` tells it. */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { processesBelow } from '@writ/testkit';

/** Linux counts the time of a process in these: `sysconf(_SC_CLK_TCK)`. */
const TICK_MS = 10;
/** Quiet is who takes less than this share of one core, in all, for so long. */
const [QUIET_SHARE, QUIET_MS] = [0.2, 500];

/** By role, so that all backends of PostgreSQL are one. */
export type Roles = ReadonlyMap<string, readonly number[]>;

/** Which of the processes below one are what. */
export function rolesBelow(pid: number): Map<string, number[]> {
  const roles = new Map<string, number[]>([['supervisor', [pid]]]);
  for (const { pid: each, command } of processesBelow(pid)) {
    const role = roleOf(command);
    roles.set(role, [...(roles.get(role) ?? []), each]);
  }
  return roles;
}

function roleOf(command: string): string {
  if (/^postgres|\/postgres /.test(command)) return 'postgres';
  if (/nats-server/.test(command)) return 'nats-server';
  return /services\/([a-z-]+)\/dist\/main\.js/.exec(command)?.[1] ?? 'others';
}

/** CPU time so far, user and system, with that of children that have ended. */
export function cpuMs(roles: Roles): Map<string, number> {
  return mapped(roles, (pid) =>
    statOf(pid)
      .slice(11, 15)
      .reduce((sum, ticks) => sum + Number(ticks) * TICK_MS, 0),
  );
}

/** Resolves when nobody has anything left to do: what follows the ledger has caught up. @throws Error that says who is still busy */
export async function quiet(roles: Roles, timeoutMs = 60_000): Promise<void> {
  for (const until = performance.now() + timeoutMs; ;) {
    const before = cpuMs(roles);
    await delay(QUIET_MS);
    const busy = [...cpuMs(roles)].map(([role, ms]) => ({ role, share: (ms - (before.get(role) ?? 0)) / QUIET_MS }));
    if (busy.reduce((sum, { share }) => sum + share, 0) < QUIET_SHARE) return;
    if (performance.now() < until) continue;
    const who = busy.map(({ role, share }) => `${role} ${Math.round(share * 100)} %`).join(', ');
    throw new Error(`not quiet within ${timeoutMs / 1000} s: ${who}`);
  }
}

/** Memory, with what is shared counted once (PSS). */
export function memoryMib(roles: Roles): Map<string, number> {
  return mapped(roles, (pid) => pssKib(pid) / 1_024);
}

function mapped(roles: Roles, measure: (pid: number) => number): Map<string, number> {
  return new Map([...roles].map(([role, pids]) => [role, pids.reduce((sum, pid) => sum + measure(pid), 0)]));
}

/** The fields of proc_pid_stat(5) behind the name of the program; nothing of a process that is gone. */
function statOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
  } catch {
    return [];
  }
}

function pssKib(pid: number): number {
  try {
    return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** CPU milliseconds of each role, for one of `count` runs. */
export function spentMs(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>, count = 1): string {
  const digits = count === 1 ? 0 : 3;
  return [...after]
    .map(([role, ms]) => `${role} ${((ms - (before.get(role) ?? 0)) / count).toFixed(digits)}`)
    .join(', ');
}
