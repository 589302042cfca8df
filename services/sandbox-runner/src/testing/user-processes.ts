import { processOf, type HostProcess } from '@writ/testkit';
import fs from 'node:fs';

/** A process of the host that runs as a sandbox's user. */
export interface UserProcess extends HostProcess {
  readonly name: string;
  readonly parent: number;
}

/** Those that run now, without those that are dead and that the host has yet to reap. They come and go while one looks: what is gone by then is not among them. */
export function processesOf(uid: number): UserProcess[] {
  return fs.readdirSync('/proc').flatMap((pid) => {
    const status = /^\d+$/.test(pid) ? statusOf(pid) : '';
    if (!status.includes(`\nUid:\t${uid}\t`) || status.includes('\nState:\tZ')) return [];
    const field = (name: string): string => new RegExp(`^${name}:\t(.*)`, 'm').exec(status)?.[1] ?? '';
    const process = processOf(Number(pid));
    return process ? [{ ...process, name: field('Name'), parent: Number(field('PPid')) }] : [];
  });
}

function statusOf(pid: string): string {
  try {
    return fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
  }
}
