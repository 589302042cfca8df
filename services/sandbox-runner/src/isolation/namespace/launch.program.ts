import { CHANNEL, FRAME_BASE, KEEPER_LOOP, setChildSignal } from '../launcher/keeper.program.js';
import { Program, type Assembled, type Data, type Place } from '../launcher/program.js';
import { failure } from '../launcher/records.js';
import * as linux from '../linux.js';
import type { Architecture } from '../seccomp/syscalls.js';
import { OWNER_NAMESPACE_FD } from './prepare.program.js';
import { attachLoop, becomeUser, directory, forkInto, inherit, mount } from './steps.js';

/** Descriptors that bubblewrap and the first process inside inherit; beyond what an open gives, as dup3 refuses equal numbers. */
export const INIT_CHANNEL = 60;
export const INFO_FD = 61;
export const FILTER_FD = 62;
/** Kept open by the first process inside, in the folder of pipes: when it closes, the sandbox has ended. */
export const ALIVE_FD = 63;
export const ALIVE_PIPE = 'alive';
/** A number for a mount that is not attached yet. */
const TREE_FD = 121;

/** A folder of the host, or the file system in an image, that is seen at `name` of the stage. */
export interface StagedFolder {
  readonly source: string | { readonly image: string; readonly device: number };
  readonly name: string;
  /** Files of the runner's user appear as the sandbox's own (an idmapped mount). */
  readonly owned?: boolean;
  /** Default: read-only. */
  readonly writable?: boolean;
}

/** Everything the launch of one sandbox needs; paths are the host's. */
export interface LaunchPlan {
  readonly architecture: Architecture;
  /** The runner is root: the sandbox gets a host uid of its own. Otherwise it runs as `uid`, the runner's. */
  readonly privileged: boolean;
  readonly uid: number;
  readonly gid: number;
  /** Where the keeper has mounted the disk, in a mount namespace of the sandbox's own. */
  readonly stage: string;
  readonly folders: readonly StagedFolder[];
  readonly files: readonly { readonly source: string; readonly name: string }[];
  /** The name of the staged folder that is the lower layer of the work folder, if any. */
  readonly lower?: string;
  /** The cgroup (v2) in which everything of the sandbox is born. */
  readonly boxCgroup?: string;
  readonly initProgram: string;
  readonly filter: string;
  readonly info: string;
  readonly pipes: string;
  readonly bubblewrap: readonly string[];
}

/**
 * The frame that mounts a sandbox's files where its keeper has mounted the disk, and starts bubblewrap, as the sandbox's user, in
 * a process of its own.
 */
export function launchFrame(plan: LaunchPlan, id: number): Assembled {
  const program = new Program(plan.architecture);
  const start = { index: undefined };
  program.goTo(start);
  const failed = failure(program, CHANNEL, 'failed', id);
  program.reach(start);
  program.onFailure(failed);
  forkInto(program, plan.boxCgroup)().thenIfPositive(KEEPER_LOOP);
  setChildSignal(program, false);
  program.call('dup3', CHANNEL, INIT_CHANNEL, 0);
  inherit(program, plan.filter, linux.O_RDONLY, FILTER_FD);
  inherit(program, plan.info, linux.O_WRONLY | linux.O_CREAT | linux.O_TRUNC, INFO_FD);
  const alive = `${plan.pipes}/${ALIVE_PIPE}`;
  program.call('mknodat', linux.AT_FDCWD, program.text(alive), linux.S_IFIFO | 0o600, 0);
  inherit(program, alive, linux.O_RDWR, ALIVE_FD); // to write alone would wait for a reader
  for (const folder of plan.folders) stageFolder(program, plan, folder);
  for (const file of plan.files) stageFile(program, plan, file);
  mountWork(program, plan);
  inherit(program, plan.initProgram, linux.O_RDONLY, CHANNEL);
  program.onFailure(reportOn(program, INIT_CHANNEL, id));
  if (plan.privileged) becomeUser(program, plan.uid, plan.gid);
  program.call('prctl', linux.PR_SET_PDEATHSIG, linux.SIGKILL);
  program.call('prctl', linux.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  execute(program, plan.bubblewrap[0] as string, plan.bubblewrap, {});
  return program.assemble(FRAME_BASE);
}

/** A failure place for when the channel has moved to another descriptor; jumped over on the way. */
function reportOn(program: Program, channel: number, id: number): Place {
  const past = { index: undefined };
  program.goTo(past);
  const place = failure(program, channel, 'failed', id);
  program.reach(past);
  return place;
}

/** Replaces the process. */
export function execute(program: Program, path: string, argv: readonly string[], env: Record<string, string>): void {
  const environment = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  program.call('execve', program.text(path), program.texts(argv), program.texts(environment));
}

function stageFolder(program: Program, plan: LaunchPlan, folder: StagedFolder): void {
  const target = directory(program, `${plan.stage}/${folder.name}`);
  const source =
    typeof folder.source === 'string' ? program.text(folder.source) : mountImage(program, plan, folder.source);
  if (!plan.privileged) {
    program.call('mount', source, target, 0, linux.MS_BIND | linux.MS_REC, 0);
    return; // bubblewrap binds it read-only
  }
  const tree = program.call('open_tree', linux.AT_FDCWD, source, linux.OPEN_TREE_CLONE | linux.OPEN_TREE_CLOEXEC);
  program.call('dup3', tree.result, TREE_FD, linux.O_CLOEXEC);
  const empty = program.text('');
  const set =
    linux.MOUNT_ATTR_NOSUID |
    linux.MOUNT_ATTR_NODEV |
    (folder.writable ? 0 : linux.MOUNT_ATTR_RDONLY) |
    (folder.owned ? linux.MOUNT_ATTR_IDMAP : 0);
  // struct mount_attr: attr_set, attr_clr, propagation, userns_fd
  const attributes = program.words(set, 0, 0, folder.owned ? OWNER_NAMESPACE_FD : 0);
  program.call('mount_setattr', TREE_FD, empty, linux.AT_EMPTY_PATH, attributes, 32);
  program.call('move_mount', TREE_FD, empty, linux.AT_FDCWD, target, linux.MOVE_MOUNT_F_EMPTY_PATH);
}

/** Mounts the file system of an image in the stage, for one folder to be made of it. */
function mountImage(program: Program, { stage }: LaunchPlan, image: { image: string; device: number }): Data {
  const target = `${stage}/image-${image.device}`;
  const place = directory(program, target);
  const device = attachLoop(program, image);
  mount(program, device, target, 'ext4', linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOATIME, 'noinit_itable');
  return place;
}

function stageFile(program: Program, plan: LaunchPlan, { source, name }: { source: string; name: string }): void {
  const target = program.text(`${plan.stage}/${name}`);
  const made = program.call('openat', linux.AT_FDCWD, target, linux.O_CREAT | linux.O_WRONLY | linux.O_CLOEXEC, 0o644);
  program.call('close', made.result);
  program.call('mount', program.text(source), target, 0, linux.MS_BIND, 0);
}

/** The work folder: the lower layer as it was, changes beside it on the disk; without a lower layer, the disk alone. */
function mountWork(program: Program, plan: LaunchPlan): void {
  const work = `${plan.stage}/workspace`;
  directory(program, work);
  const upper = `${plan.stage}/disk/upper`;
  if (plan.lower === undefined) {
    program.call('mount', program.text(upper), program.text(work), 0, linux.MS_BIND, 0);
    return;
  }
  const layers = `lowerdir=${plan.stage}/${plan.lower},upperdir=${upper},workdir=${plan.stage}/disk/work`;
  const options = plan.privileged ? 'index=off,metacopy=off,redirect_dir=nofollow' : 'userxattr';
  mount(program, 'overlay', work, 'overlay', linux.MS_NOSUID | linux.MS_NODEV, `${layers},${options}`);
}
