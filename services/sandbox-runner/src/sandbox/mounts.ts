import { refuse } from '@writ/ledger/domain';
import fs from 'node:fs';
import path from 'node:path';
import type { MountSpec } from '../isolation/isolation.js';

/** Folders of a sandbox in which nothing can be mounted. A link in `/workspace` could lead a mount astray. */
const RESERVED = [
  '/usr',
  '/bin',
  '/sbin',
  '/lib',
  '/lib32',
  '/lib64',
  '/etc',
  '/proc',
  '/sys',
  '/dev',
  '/run',
  '/repo.git',
  '/opt/writ',
  '/workspace',
];
const TAKEN = ['/', '/home', '/home/agent', '/tmp', '/var', '/opt'];

/** What the operator lets sandboxes see of this host. */
export class Mounts {
  private readonly allowed: readonly string[];

  constructor(allowed: string) {
    this.allowed = allowed
      .split(',')
      .map((folder) => folder.trim())
      .filter((folder) => path.isAbsolute(folder));
  }

  /** Throws `sandbox.mount_refused`. */
  check(tenant: string, mount: { source: string; target: string; writable: boolean }): MountSpec {
    const target = path.posix.normalize(mount.target);
    const reserved = RESERVED.some((folder) => target === folder || target.startsWith(`${folder}/`));
    if (!target.startsWith('/') || reserved || TAKEN.includes(target))
      throw refused(mount.target, 'nothing can be mounted there');
    const volume = /^volume:([\w.-]{1,64})$/.exec(mount.source)?.[1];
    if (volume !== undefined) return { source: { volume: `${tenant}/${volume}` }, target, writable: mount.writable };
    if (mount.writable)
      throw refused(mount.source, 'a folder of the host is always read-only; a volume can be written to');
    return { source: { folder: this.folder(mount.source) }, target, writable: false };
  }

  private folder(source: string): string {
    if (!path.isAbsolute(source)) throw refused(source, 'it is neither an absolute folder nor volume:<name>');
    const real = fs.existsSync(source) ? fs.realpathSync(source) : undefined;
    const inside = this.allowed.some((allowed) => {
      if (real === undefined || !fs.existsSync(allowed)) return false;
      const relative = path.relative(fs.realpathSync(allowed), real);
      return relative === '' || (!relative.startsWith('..') && !path.isAbsolute(relative));
    });
    // Whether a folder exists is nobody's business who may not see it.
    if (!inside || real === undefined)
      throw refused(source, 'the operator allows no such folder (WRIT_SANDBOX_MOUNTS)');
    if (!fs.statSync(real).isDirectory()) throw refused(source, 'it is not a folder');
    return real;
  }
}

const refused = (what: string, why: string): Error => refuse('sandbox.mount_refused', `${what}: ${why}`);
