import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { probe, run, runCode, sh, type Probe } from '../../testing/probe.js';
import type { IsolatedSandbox, IsolationDriver } from '../isolation.js';
import { openNamespaceDriver } from './open.js';

const limits = { memoryMib: 128, processes: 40, cpuMilli: 1000, diskMib: 64 };
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'writ-isolation-'));
const secret = path.join(folder, 'secret.txt');
let driver: IsolationDriver;
let sandbox: IsolatedSandbox;

beforeAll(async () => {
  fs.writeFileSync(secret, 'host secret');
  process.env['WRIT_TEST_SECRET'] = 'host secret';
  driver = await openNamespaceDriver({ folder: path.join(folder, 'runner'), limits, volumeMib: 16, ready: 1 });
  sandbox = await driver.create({ id: 'sbx_1', limits, mounts: [] });
});
afterAll(async () => {
  await driver?.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

describe('what a sandbox cannot see', () => {
  test("the host's files", async () => {
    verifies('sandbox.host_hidden');
    const { text } = await sh(
      sandbox,
      `cat ${secret} /etc/shadow /var/mail/* /home/*/.bashrc; ls / /home /etc/ssh; exit 0`,
    );
    expect(text).not.toContain('host secret');
    expect((await sh(sandbox, `ls ${folder} /root /srv /var/lib /sys`)).exitCode).not.toBe(0);
    expect((await sh(sandbox, 'ls -1 /')).text.trim().split('\n')).not.toEqual(expect.arrayContaining(['root']));
    await sh(
      sandbox,
      `ln -s ${secret} link; ln -s /proc/1/root${secret} link2; ln -s ../../../../../..${secret} link3`,
    );
    for (const name of ['link', 'link2', 'link3'])
      await expect(sandbox.files.read(name, 1000)).rejects.toThrow(/ENOENT|EACCES/);
  });

  test('a file that its own user may not read, through the operations on files either', async () => {
    await sh(sandbox, 'echo x > shut; chmod 000 shut');
    await expect(sandbox.files.read('shut', 100)).rejects.toThrow('EACCES');
    await expect(sandbox.files.write('/etc/passwd', Buffer.from('x'))).rejects.toThrow('EROFS');
    await expect(sandbox.files.list('/proc/1/fd/../root/root')).rejects.toThrow('ENOENT');
  });

  test("the runner's environment", async () => {
    verifies('sandbox.host_hidden');
    const { text } = await sh(sandbox, 'env; cat /proc/*/environ; cat /proc/self/cmdline');
    expect(text).toContain('HOME=/home/agent');
    expect(text).not.toMatch(/WRIT_|host secret/);
  });

  test("the host's processes", async () => {
    verifies('sandbox.host_hidden');
    const { text } = await sh(sandbox, 'cd /proc; echo [0-9]*');
    const pids = text.trim().split(' ').map(Number);
    expect(pids.length).toBeLessThan(5);
    expect(Math.max(...pids)).toBeLessThan(1000);
    const [signalled] = await probe(sandbox, [['kill', process.pid, 0]]);
    expect(signalled).toBe(-3); // ESRCH
  });

  test('any network but its own loopback', async () => {
    verifies('sandbox.no_network');
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as net.AddressInfo;
    const abstract = net.createServer();
    await new Promise<void>((resolve) => abstract.listen({ path: `\0writ-test-${process.pid}` }, resolve));
    try {
      expect((await sh(sandbox, 'cat /proc/net/dev')).text.match(/^ *\w+:/gm)).toEqual(['    lo:']);
      const script = `
        const net = require('node:net');
        const to = [[1, '127.0.0.1', ${port}], [2, '1.1.1.1', 80], [3, '169.254.169.254', 80], [4, '10.0.0.1', 22], [5, '::1', ${port}], [6, '2606:4700::1111', 80]];
        const results = to.map(([n, host, port]) => new Promise((resolve) => net.connect({ host, port, timeout: 3000 }).on('connect', () => resolve(n + ' CONNECTED')).on('error', (e) => resolve(n + ' ' + e.code)).on('timeout', () => resolve(n + ' timeout'))));
        results.push(new Promise((resolve) => net.connect({ path: '\\0writ-test-${process.pid}' }).on('connect', () => resolve('CONNECTED')).on('error', (e) => resolve(e.code))));
        Promise.all(results).then((r) => { console.log(r.join()); process.exit(); });`;
      const { text, stderr } = await run(sandbox, ['node', '-e', script]);
      expect(text.trim() + stderr.toString()).toBe(
        '1 ECONNREFUSED,2 ENETUNREACH,3 ENETUNREACH,4 ENETUNREACH,5 ECONNREFUSED,6 ENETUNREACH,ECONNREFUSED',
      );
    } finally {
      server.close();
      abstract.close();
    }
  });
});

describe('what a sandbox cannot do', () => {
  test('gain a capability, a privilege or a user', async () => {
    verifies('sandbox.own_user');
    const { text } = await sh(sandbox, 'cat /proc/self/status; id -u');
    for (const line of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
      expect(text).toContain(`${line}:\t0000000000000000`);
    expect(text).toContain('NoNewPrivs:\t1');
    expect(text).toContain('Seccomp:\t2');
    const results = await probe(sandbox, [
      ['setuid', 0],
      ['chroot', '/tmp'],
      ['sethostname', 'x', 1],
      ['mknodat', -100, '/tmp/disk', 0o060666, 0x0700],
    ]);
    expect(results).toEqual([-22, -1, -1, -1]); // EINVAL: there is no user 0 inside
    expect((await sh(sandbox, 'su root -c id; mount -t tmpfs x /tmp; exit 7')).exitCode).toBe(7);
  });

  test("change the kernel's settings", async () => {
    verifies('sandbox.core_pattern');
    const before = fs.readFileSync('/proc/sys/kernel/core_pattern', 'utf8');
    const files = [
      '/proc/sys/kernel/core_pattern',
      '/proc/sysrq-trigger',
      '/proc/sys/vm/overcommit_memory',
      '/proc/sys/kernel/modprobe',
    ];
    for (const file of files) {
      const { exitCode, stderr } = await sh(sandbox, `echo evil > ${file}`);
      expect(`${exitCode} ${stderr.toString()}`).toMatch(
        /^[12] .*(denied|Read-only|nonexistent|not permitted|No such)/,
      );
    }
    expect(fs.readFileSync('/proc/sys/kernel/core_pattern', 'utf8')).toBe(before);
  });

  const AF = { NETLINK: 16, PACKET: 17, ALG: 38, VSOCK: 40, XDP: 44, BLUETOOTH: 31 };
  const NEW = {
    ns: 0x20000,
    cgroup: 0x2000000,
    uts: 0x4000000,
    ipc: 0x8000000,
    user: 0x10000000,
    pid: 0x20000000,
    net: 0x40000000,
  };
  const refused: [string, number, Probe][] = [
    ...Object.entries(NEW).map(([name, flag]): [string, number, Probe] => [
      `clone a ${name} namespace`,
      -1,
      ['clone', flag | 17, 0, 0, 0, 0],
    ]),
    ...Object.entries(NEW).map(([name, flag]): [string, number, Probe] => [
      `unshare the ${name} namespace`,
      -1,
      ['unshare', flag],
    ]),
    ['clone3', -38, ['clone3', 0, 0]],
    ['setns', -1, ['setns', 0, 0]],
    ['ptrace another', -1, ['ptrace', 16, 1, 0, 0]],
    ['read the memory of another', -1, ['process_vm_readv', 1, 0, 0, 0, 0, 0]],
    ['write the memory of another', -1, ['process_vm_writev', 1, 0, 0, 0, 0, 0]],
    ['take a descriptor of another', -1, ['pidfd_getfd', 3, 0, 0]],
    ['io_uring', -1, ['io_uring_setup', 8, '0123456789012345678901234567890123456789']],
    ['add a key', -1, ['add_key', 'user', 'name', 'x', 1, -3]],
    ['request a key', -1, ['request_key', 'user', 'name', 0, -3]],
    ['keyctl', -1, ['keyctl', 0, -3, 0, 0, 0]],
    ['bpf', -1, ['bpf', 5, 0, 0]],
    ['userfaultfd', -1, ['userfaultfd', 1]],
    ['perf_event_open', -1, ['perf_event_open', 0, 0, -1, -1, 0]],
    ['mount', -1, ['mount', 'none', '/tmp', 'tmpfs', 0, 0]],
    ['umount', -1, ['umount2', '/tmp', 0]],
    ['pivot_root', -1, ['pivot_root', '/tmp', '/tmp']],
    ['open_tree', -1, ['open_tree', -100, '/', 1]],
    ['move_mount', -1, ['move_mount', 0, 0, 0, 0, 0]],
    ['fsopen', -1, ['fsopen', 'tmpfs', 0]],
    ['mount_setattr', -1, ['mount_setattr', 0, 0, 0, 0, 0]],
    ['open_by_handle_at', -1, ['open_by_handle_at', 0, 0, 0]],
    ['kexec', -1, ['kexec_load', 0, 0, 0, 0]],
    ['load a module', -1, ['init_module', 0, 0, '']],
    ['reboot', -1, ['reboot', 0, 0, 0, 0]],
    ['set the clock', -1, ['clock_settime', 0, 0]],
    ['read the kernel log', -1, ['syslog', 3, 0, 0]],
    ['seccomp', -1, ['seccomp', 0, 0, 0]],
    ['legacy asynchronous i/o', -38, ['io_setup', 1, 0]],
    ['memfd_secret', -38, ['memfd_secret', 0]],
    ['turn off address randomisation', -1, ['personality', 0x40000]],
    ['type into a terminal', -1, ['ioctl', 0, 0x5412, 0]],
    ['paste into a terminal', -1, ['ioctl', 0, 0x541c, 0]],
    ['type into a terminal by a longer number', -1, ['ioctl', 0, 0x100005412n, 0]],
    ...Object.entries(AF).map(([name, family]): [string, number, Probe] => [
      `open an AF_${name} socket`,
      -97,
      ['socket', family, 3, 0],
    ]),
    ['open a raw socket', -93, ['socket', 2, 3, 1]],
    ['ping', -93, ['socket', 2, 2, 1]],
    ['make a pair of other than unix sockets', -97, ['socketpair', 2, 1, 0, 0]],
  ];

  test('call what the filter refuses', async () => {
    verifies('sandbox.syscalls');
    const results = await probe(
      sandbox,
      refused.map(([, , call]) => call),
    );
    const found = refused.map(([name], index) => [name, results[index]]);
    expect(found).toEqual(refused.map(([name, errno]) => [name, errno]));
  });

  test('use the calls of a foreign ABI', async () => {
    verifies('sandbox.syscalls');
    if (process.arch !== 'x64') return expect(process.arch).toBe('arm64'); // which has none that the kernel runs beside it
    const exit = 'b83c00000031ff0f05'; // mov eax,60; xor edi,edi; syscall: exit(0)
    expect((await runCode(sandbox, Buffer.from(exit, 'hex'))).reason).toBe('exit');
    const i386 = await runCode(sandbox, Buffer.from(`b814000000cd80${exit}`, 'hex')); // mov eax,20; int 0x80: getpid
    expect(i386).toMatchObject({ reason: 'signal', signal: 'SIGSYS' });
    const x32 = await runCode(sandbox, Buffer.from(`b8270000400f05${exit}`, 'hex')); // getpid of x32
    expect(x32).toMatchObject({ reason: 'signal', signal: 'SIGSYS' });
  });
});

describe('what runs all the same', () => {
  test.each([
    ['node', ['node', '-e', 'new (require("worker_threads").Worker)("console.log(6*7)", { eval: true })'], '42'],
    [
      'git',
      ['sh', '-c', 'git init -q r && cd r && echo x > f && git add f && git commit -qm x && git log --format=%s'],
      'x',
    ],
    ['a pipe to /dev/stdout', ['sh', '-c', 'echo out > /dev/stdout; echo err > /dev/stderr'], 'out'],
    [
      'sockets on loopback',
      [
        'node',
        '-e',
        'const s=require("net").createServer(c=>c.end("hi")).listen(0,"127.0.0.1",()=>require("net").connect(s.address().port,"127.0.0.1").on("data",d=>{console.log(""+d);s.close()}))',
      ],
      'hi',
    ],
  ])('%s', async (_, argv, expected) => {
    const { text, stderr, exitCode } = await run(sandbox, argv);
    expect({ text: text.trim(), exitCode, stderr: exitCode === 0 ? '' : stderr.toString() }).toEqual({
      text: expected,
      exitCode: 0,
      stderr: '',
    });
  });

  test.each([
    [
      '/usr/bin/python3',
      ['python3', '-c', 'import subprocess,threading;print(subprocess.check_output(["echo","42"]).decode())'],
      '42',
    ],
    ['/usr/bin/gcc', ['sh', '-c', 'echo "int main(){return 0;}" > m.c && gcc m.c -o m && ./m && echo built'], 'built'],
    ['/usr/bin/npm', ['sh', '-c', 'mkdir -p p && cd p && npm init -y >/dev/null && npm pkg get version'], '"1.0.0"'],
    ['/usr/bin/perl', ['perl', '-e', 'print 6*7'], '42'],
  ])('%s, where the host has it', async (file, argv, expected) => {
    const { text, exitCode, stderr } = await run(sandbox, argv);
    if (fs.existsSync(file)) expect(text.trim() + (exitCode === 0 ? '' : stderr.toString())).toBe(expected);
    else expect(exitCode).not.toBe(0);
  });
});
