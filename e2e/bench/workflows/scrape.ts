/** What services tell of themselves at `/metrics`, found by the ports that their processes listen on. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** The lines of one page, by name with labels. */
export type Page = ReadonlyMap<string, number>;

export async function scrape(pid: number): Promise<Page> {
  for (const port of portsOf(pid)) {
    const text = await fetch(`http://127.0.0.1:${port}/metrics`, { signal: AbortSignal.timeout(10_000) })
      .then((response) => (response.ok ? response.text() : ''))
      .catch(() => ''); // that of gRPC
    const lines = [...text.matchAll(/^(writ_\S+(?:\{.*\})?) (\S+)$/gm)];
    if (lines.length > 0) return new Map(lines.map(([, name = '', value]) => [name, Number(value)]));
  }
  throw new Error(`process ${pid} answers at no port with metrics`);
}

/** Of the series of one metric whose labels have this in them. */
export function valuesOf(page: Page, metric: string, label = ''): number[] {
  return [...page].filter(([name]) => name.split('{')[0] === metric && name.includes(label)).map(([, value]) => value);
}

export const sumOf = (page: Page, metric: string, label = ''): number =>
  valuesOf(page, metric, label).reduce((sum, value) => sum + value, 0);

/** Loopback ports on which it listens. */
function portsOf(pid: number): number[] {
  const sockets = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return []; // closed meanwhile
      }
    }),
  );
  return readFileSync(`/proc/${pid}/net/tcp`, 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , state, , , , , , inode]) => state === '0A' && sockets.has(inode ?? ''))
    .map(([, local]) => parseInt((local ?? '').split(':')[1] ?? '', 16));
}
