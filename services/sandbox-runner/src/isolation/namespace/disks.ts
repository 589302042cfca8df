import { execFile } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Files with an empty ext4 in them. They are sparse: a disk takes from the host what is written to it. */
export class DiskImages {
  private readonly templates = new Map<number, Promise<string>>();

  constructor(private readonly folder: string) {}

  /** Makes an empty disk at `target`. */
  async create(target: string, sizeMib: number): Promise<void> {
    let template = this.templates.get(sizeMib);
    if (template === undefined) {
      template = this.makeTemplate(sizeMib);
      this.templates.set(sizeMib, template);
      template.catch(() => this.templates.delete(sizeMib));
    }
    // Copying the few hundred kilobytes that are not holes is faster than making the file system anew.
    await run('cp', ['--sparse=always', '--reflink=auto', await template, target]);
  }

  private async makeTemplate(sizeMib: number): Promise<string> {
    await fs.mkdir(this.folder, { recursive: true });
    const template = path.join(this.folder, `${sizeMib}-mib.ext4`);
    if (await exists(template)) return template;
    const draft = `${template}.${process.pid}`;
    await fs.writeFile(draft, '');
    await fs.truncate(draft, sizeMib * 1024 * 1024);
    // No journal: after a crash the disk is thrown away. One inode for each 8 KiB, as sources have many small files.
    const options = [
      '-q',
      '-F',
      '-b',
      '4096',
      '-m',
      '0',
      '-i',
      '8192',
      '-O',
      '^has_journal',
      '-E',
      'lazy_itable_init=1,nodiscard',
    ];
    await run('mkfs.ext4', [...options, draft], { env: { PATH: '/usr/sbin:/sbin:/usr/bin:/bin' } });
    await fs.rename(draft, template);
    return template;
  }
}

async function exists(file: string): Promise<boolean> {
  return fs.access(file).then(
    () => true,
    () => false,
  );
}
