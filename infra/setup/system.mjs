/** What the operating system brings: bubblewrap for sandboxes, Git for artifacts. */
import { inPath } from './places.mjs';
import { note, present, run, tail } from './report.mjs';

const programs = [
  { command: 'bwrap', package: 'bubblewrap', for: 'sandboxes' },
  { command: 'git', package: 'git', for: 'artifacts' },
];

export async function systemPrograms() {
  const missing = programs.filter(({ command }) => !inPath(command));
  for (const { command, package: name } of programs) if (inPath(command)) present(name);
  if (missing.length === 0) return;
  const names = missing.map((program) => program.package);
  if (process.platform === 'linux' && process.getuid?.() === 0 && inPath('apt-get')) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const install = () =>
      run(`${names.join(', ')} by apt-get`, 'apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...names], {
        env,
      });
    await run('apt-get update', 'apt-get', ['update', '-qq'], { env });
    const { code, output } = await install();
    if (code === 0) return;
    note(tail(output, 4));
  }
  for (const program of missing) {
    note(`! ${program.package} is missing, without which there are no ${program.for}. Install it:`);
    note(`    ${installCommand(program.package)}`);
  }
}

function installCommand(name) {
  if (process.platform === 'darwin') {
    return name === 'bubblewrap'
      ? 'none for macOS: sandboxes need Linux (a virtual machine will do)'
      : `brew install ${name}`;
  }
  const managers = {
    'apt-get': 'apt-get install',
    dnf: 'dnf install',
    pacman: 'pacman -S',
    apk: 'apk add',
    zypper: 'zypper install',
  };
  const manager = Object.keys(managers).find(inPath) ?? 'apt-get';
  return `sudo ${managers[manager]} ${name}`;
}
