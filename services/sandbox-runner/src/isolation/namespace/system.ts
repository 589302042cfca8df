import fs from 'node:fs';
import path from 'node:path';
import { HOME_FOLDER, INSIDE_UID, type View } from './bubblewrap.js';

/** The host's system as sandboxes see it: its `/usr`, and the top-level names that are folders or links beside it. */
export function systemEntries(): View['system'] {
  const entries: View['system'][number][] = [{ folder: '/usr' }];
  for (const name of ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32', 'nix', 'gnu']) {
    const status = fs.lstatSync(`/${name}`, { throwIfNoEntry: false });
    if (status?.isSymbolicLink()) entries.push({ link: `/${name}`, target: fs.readlinkSync(`/${name}`) });
    else if (status?.isDirectory()) entries.push({ folder: `/${name}` });
  }
  return entries;
}

/** What of the host's /etc programs need to run, and nothing that tells who uses the host. */
const COPIED = [
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  'alternatives',
  'localtime',
  'mime.types',
  'ssl/certs',
  'pki/tls/certs',
];

const WRITTEN: Readonly<Record<string, string>> = {
  passwd: `agent:x:${INSIDE_UID}:${INSIDE_UID}:agent:${HOME_FOLDER}:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n`,
  group: `agent:x:${INSIDE_UID}:\nnogroup:x:65534:\n`,
  hosts: '127.0.0.1 localhost sandbox\n::1 localhost sandbox\n',
  hostname: 'sandbox\n',
  'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files\n',
  'resolv.conf': '',
  'machine-id': '',
  // The work folder's objects lie in a repository that belongs to nobody here; there is nothing to protect it from.
  gitconfig:
    '[safe]\n\tdirectory = *\n[user]\n\tname = agent\n\temail = agent@sandbox\n[init]\n\tdefaultBranch = main\n',
};

/** Writes the /etc of all sandboxes into a folder, anew. */
export function writeEtc(folder: string): void {
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true, mode: 0o755 });
  for (const name of COPIED) {
    const source = path.join('/etc', name);
    if (!fs.existsSync(source)) continue;
    const target = path.join(folder, name);
    fs.mkdirSync(path.dirname(target), { recursive: true, mode: 0o755 });
    const links = name === 'alternatives' ? { verbatimSymlinks: true } : { dereference: true };
    fs.cpSync(source, target, { recursive: true, ...links });
  }
  for (const [name, content] of Object.entries(WRITTEN))
    fs.writeFileSync(path.join(folder, name), content, { mode: 0o644 });
}
