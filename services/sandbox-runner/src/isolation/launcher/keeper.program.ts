import * as linux from '../linux.js';
import type { Architecture } from '../seccomp/syscalls.js';
import { PROGRAM_BASE } from './image.js';
import { Program, type Absolute } from './program.js';
import { failure, record } from './records.js';

/** The descriptor over which programs and frames come in and records go out. */
export const CHANNEL = 3;
/** Where frames are loaded. */
export const FRAME_BASE = PROGRAM_BASE + 0x100000;
/** The keeper waits here for its next frame; a frame that runs in the keeper itself ends by going here. */
export const KEEPER_LOOP: Absolute = { address: PROGRAM_BASE + 16 + 80 };

/** The frame that launches a sandbox; the first process inside says that it is ready under this number too. */
export const LAUNCH_ID = 1;

const SIG_DFL = 0;
const SIG_IGN = 1;

/** `struct sigaction` of the kernel: handler, flags, restorer, mask. */
export function setChildSignal(program: Program, ignore: boolean): void {
  program.call('rt_sigaction', linux.SIGCHLD, program.words(ignore ? SIG_IGN : SIG_DFL, 0, 0, 0), 0, 8);
}

/** Moves the calling process into cgroups, by their `cgroup.procs` files. */
function enterCgroups(program: Program, procsFiles: readonly string[]): void {
  for (const file of procsFiles) {
    const open = program.call('openat', linux.AT_FDCWD, program.text(file), linux.O_WRONLY | linux.O_CLOEXEC);
    program.call('write', open.result, program.text('0'), 1);
  }
  program.call('close_range', CHANNEL + 1, 0xffffffff, 0);
}

/**
 * The keeper of one sandbox: a process of a few pages that lives in the sandbox's cgroups but outside of its namespaces,
 * dies with the runner, and performs the frames that it is sent. It enters the cgroups before the sandbox is
 * asked for, because moving a process costs ten milliseconds of RCU on cgroup v1; what it forks is born inside.
 */
export function keeperProgram(architecture: Architecture, procsFiles: readonly string[]): Program {
  const program = new Program(architecture);
  const setUp = { index: undefined };
  const body = { index: undefined };
  program.goTo(setUp);
  // KEEPER_LOOP: eight bytes of length, straight into the third argument of the call that reads the frame.
  const lengthArgument: Absolute = { address: PROGRAM_BASE + 16 + 3 * 80 + 8 + 2 * 8 };
  program.call('recvfrom', CHANNEL, lengthArgument, 8, linux.MSG_WAITALL, 0, 0).thenIfPositive(body);
  program.call('exit_group', 0);
  program.reach(body);
  program
    .call('recvfrom', CHANNEL, { address: FRAME_BASE }, 0, linux.MSG_WAITALL, 0, 0)
    .thenIfPositive({ address: FRAME_BASE });
  program.call('exit_group', 0);
  const failed = failure(program, CHANNEL, 'failed', 0);
  program.reach(setUp);
  program.onFailure(failed);
  program.call('prctl', linux.PR_SET_PDEATHSIG, linux.SIGKILL);
  // What it forks, and what is orphaned to it, is reaped by the kernel.
  setChildSignal(program, true);
  program.call('prctl', linux.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  enterCgroups(program, procsFiles);
  record(program, CHANNEL, 'prepared', 0);
  program.goTo(KEEPER_LOOP);
  return program;
}

/**
 * The first process inside a sandbox: it says over `channel` that everything is mounted, keeps `alive` open, and reaps
 * whatever is orphaned to it.
 */
export function initProgram(architecture: Architecture, channel: number, alive: number): Program {
  const program = new Program(architecture);
  setChildSignal(program, true);
  record(program, channel, 'ready', LAUNCH_ID);
  program.call('close_range', CHANNEL, alive - 1, 0);
  program.call('close_range', alive + 1, 0xffffffff, 0);
  const forever = program.here();
  program.call('ppoll', 0, 0, 0, 0, 0).orContinue();
  program.goTo(forever);
  return program;
}
