import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { findNatsServer, findPostgres } from '@writ/servers';
import { note, ok, problem, type Finding } from './check.js';
import { controlGroups } from './control-groups.js';

const run = promisify(execFile);

/** What `writ dev` needs of this machine. */
export async function checkHost(): Promise<Finding[]> {
  return [node(), ...(await Promise.all([natsServer(), postgres(), git(), ...sandboxChecks()]))];
}

function node(): Finding {
  const { node: version } = process.versions;
  if (Number(version.split('.')[0]) >= 24) return ok('node', version);
  return problem('node', `${version}, and 24 is needed`, 'npm install brings it into node_modules/.bin');
}

async function natsServer(): Promise<Finding> {
  const given = process.env['WRIT_NATS_URL'];
  if (given) return note('nats-server', 'WRIT_NATS_URL names one that runs');
  try {
    const { path, version } = await findNatsServer();
    const [major = 0, minor = 0] = version.split('.').map(Number);
    const found = `${version} (${path})`;
    if (major > 2 || minor >= 10) return ok('nats-server', `${found}, durability fsync`);
    return note(
      'nats-server',
      `${found}, durability flush: a power failure may lose what was acknowledged`,
      'npm run setup',
    );
  } catch (error) {
    return problem('nats-server', (error as Error).message, 'npm run setup');
  }
}

async function postgres(): Promise<Finding> {
  if (process.env['WRIT_POSTGRES_URL']) return note('postgresql', 'WRIT_POSTGRES_URL names one that runs');
  try {
    return ok('postgresql', findPostgres().version);
  } catch (error) {
    return problem('postgresql', (error as Error).message, 'npm run setup');
  }
}

async function versionOf(program: string): Promise<string | undefined> {
  const { stdout } = await run(program, ['--version']).catch(() => ({ stdout: '' }));
  return stdout.split('\n')[0]?.replace(/^.*?(?=\d)/, '') || undefined;
}

async function git(): Promise<Finding> {
  const version = await versionOf('git');
  if (version) return ok('git', version);
  return problem('git', 'is not installed: no repository can be imported', 'install git');
}

function sandboxChecks(): Promise<Finding>[] {
  if (process.platform !== 'linux')
    return [Promise.resolve(note('sandboxes', `${process.platform} has none: they need Linux`))];
  return [bubblewrap(), userNamespaces(), controlGroups(), trialSandbox()];
}

async function bubblewrap(): Promise<Finding> {
  const version = await versionOf('bwrap');
  if (version) return ok('bubblewrap', version);
  return problem(
    'bubblewrap',
    'is not installed: no sandbox can be made',
    'apt-get install bubblewrap, or `npm run setup`',
  );
}

async function userNamespaces(): Promise<Finding> {
  const name = 'user namespaces';
  const [max, unprivileged, restricted] = await Promise.all(
    [
      'user/max_user_namespaces',
      'kernel/unprivileged_userns_clone',
      'kernel/apparmor_restrict_unprivileged_userns',
    ].map(async (key) => (await readFile(`/proc/sys/${key}`, 'utf8').catch(() => '')).trim()),
  );
  if (max === '0') return problem(name, 'are switched off', 'sysctl user.max_user_namespaces=15000');
  if (process.getuid?.() === 0) return ok(name, 'allowed; as root every sandbox gets a user id of its own');
  if (unprivileged === '0') return problem(name, 'are for root only', 'sysctl kernel.unprivileged_userns_clone=1');
  if (restricted === '1')
    return problem(
      name,
      'AppArmor refuses them',
      'sysctl kernel.apparmor_restrict_unprivileged_userns=0, or a profile for bwrap',
    );
  return ok(name, 'allowed');
}

/** Whether the layers that a sandbox is made of can be had here, by making one. */
async function trialSandbox(): Promise<Finding> {
  const name = 'trial sandbox';
  const layers = [
    '--unshare-all',
    '--die-with-parent',
    '--new-session',
    '--cap-drop',
    'ALL',
    '--proc',
    '/proc',
    '--dev',
    '/dev',
  ];
  try {
    const { stdout } = await run('bwrap', ['--ro-bind', '/', '/', ...layers, '/bin/sh', '-c', 'ls -d /proc/[0-9]*']);
    return ok(name, `made, and it sees ${stdout.trim().split('\n').length} processes`);
  } catch (error) {
    const { stderr = '', message, code } = error as Error & { stderr?: string; code?: string };
    if (code === 'ENOENT') return note(name, 'not made: there is no bubblewrap');
    return problem(name, `cannot be made: ${(stderr || message).trim().split('\n')[0]}`, 'see `user namespaces` above');
  }
}
