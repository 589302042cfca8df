import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import type { Writable } from 'node:stream';
import { Program } from '../launcher/program.js';
import * as linux from '../linux.js';
import type { Architecture } from '../seccomp/syscalls.js';

/** Removes the loop devices of `owns` that hold no file any more; those that do are left to whoever holds them. */
export async function removeIdleLoopDevices(
  launcher: string,
  architecture: Architecture,
  owns: (device: number) => boolean,
): Promise<void> {
  const idle = fs.readdirSync('/sys/block').flatMap((name) => {
    const device = Number(/^loop(\d+)$/.exec(name)?.[1] ?? -1);
    return device >= 0 && owns(device) && !fs.existsSync(`/sys/block/${name}/loop`) ? [device] : [];
  });
  if (idle.length === 0) return;
  const program = new Program(architecture);
  const control = program.call('openat', linux.AT_FDCWD, program.text('/dev/loop-control'), linux.O_RDWR);
  program.call('dup3', control.result, 100, 0);
  for (const device of idle) program.call('ioctl', 100, linux.LOOP_CTL_REMOVE, device).orContinue();
  program.call('exit_group', 0);
  const child = spawn(launcher, [], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'], env: {} });
  (child.stdio[3] as Writable).write(program.assemble().bytes);
  await once(child, 'exit');
}
