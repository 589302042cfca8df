/** What the machine shows of a stack beside its processes: mounts, control groups, loop devices. */
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import type { HostProcess } from '@writ/testkit';

/** What the process was started with. */
export function environmentOf({ pid }: HostProcess): Record<string, string> {
  const entries = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').filter(Boolean);
  return Object.fromEntries(
    entries.map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
  );
}

/** The control groups of a runner, by a process that is in one. */
export function controlGroupsOf(processes: readonly HostProcess[]): string[] {
  const names = processes.flatMap(({ pid }) => {
    try {
      return /\/(writ-[0-9a-f]+)/.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1] ?? [];
    } catch {
      return []; // it has ended
    }
  });
  return [...new Set(names)];
}

/** Traces of the sandboxes of a stack on this machine, each in a few words. */
export function tracesOf(folder: string, controlGroups: readonly string[]): string[] {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  const loops = readdirSync('/sys/block').flatMap((name) => {
    const file = `/sys/block/${name}/loop/backing_file`;
    return existsSync(file) ? [`${name} ${readFileSync(file, 'utf8').trim()}`] : [];
  });
  const groups = controlGroups.flatMap((name) => globSync(`/sys/fs/cgroup/**/${name}`));
  return [
    ...mounts.filter((line) => line.includes(folder)).map((line) => `mount ${line}`),
    ...loops.filter((line) => line.includes(folder)).map((line) => `loop device ${line}`),
    ...groups.map((group) => `control group ${group}`),
  ];
}

/** Established TCP connections to a port of the loopback, as the other side has them. */
export function connectionsTo(port: number): number {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .filter((line) => new RegExp(`^\\s*\\d+: \\S+ [0-9A-F]{8}:${wanted} 01 `).test(line)).length;
}
