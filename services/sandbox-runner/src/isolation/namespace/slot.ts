import fs from 'node:fs';
import path from 'node:path';
import type { SandboxCgroup } from '../cgroups/cgroup-tree.js';
import type { Limits } from '../isolation.js';
import { Keeper, LauncherError } from '../launcher/keeper.js';
import type { NamespaceHost } from './host.js';
import { prepareFrame, type DiskPlan } from './prepare.program.js';
import { loopDevice } from './uids.js';

/**
 * What a sandbox needs before anyone knows what will run in it: a user, a folder, control groups with the keeper in them, and
 * a disk. Making it costs more than the sandbox itself, so a few are kept ready.
 */
export interface Slot {
  readonly uid: number;
  readonly gid: number;
  readonly name: string;
  readonly folder: string;
  readonly keeper: Keeper;
  readonly cgroup: SandboxCgroup | undefined;
  /** What it was made for; the limits are in force. */
  readonly limits: Limits;
}

/** No host user is left to run another sandbox as. */
export class HostFull extends Error {
  constructor() {
    super('no host user is free for another sandbox');
    this.name = 'HostFull';
  }
}

let rootlessSlots = 0;

const INODES_PER_MIB = 128;

/** How long to try other users while the devices of those that are free are still being let go. */
const DEVICES_MS = 10_000;

/**
 * Makes a slot; nothing is left when that fails. The disks of a runner that was killed are let go by the kernel a moment after
 * its users are ours: the next user is taken then, and this one later.
 */
export async function makeSlot(host: NamespaceHost, limits: Limits): Promise<Slot> {
  for (const until = Date.now() + DEVICES_MS; ;)
    try {
      return await tryToMakeSlot(host, limits);
    } catch (error) {
      if (!(error instanceof LauncherError && error.errno === 'EBUSY') || Date.now() > until) throw error;
    }
}

async function tryToMakeSlot(host: NamespaceHost, limits: Limits): Promise<Slot> {
  const uid = host.root === undefined ? (process.getuid?.() ?? 0) : host.root.uids.take();
  if (uid === undefined) throw new HostFull();
  const gid = host.root === undefined ? (process.getgid?.() ?? 0) : uid;
  const name = host.root === undefined ? `s${process.pid}-${rootlessSlots++}` : `u${uid}`;
  const folder = path.join(host.live, name);
  const cgroup = host.root?.cgroups.create(name);
  try {
    fs.mkdirSync(path.join(folder, 'pipes'), { recursive: true, mode: 0o700 });
    if (host.root !== undefined) fs.chownSync(path.join(folder, 'pipes'), uid, gid);
    cgroup?.delegate(uid);
    cgroup?.limit(limits);
    const disk = diskOf(host, uid, folder, limits);
    const [keeper] = await Promise.all([
      Keeper.start(host.launcher, host.architecture, cgroup?.procsFiles ?? []),
      disk.kind === 'loop' ? host.root?.images?.create(disk.image, limits.diskMib) : undefined,
    ]);
    const slot = { uid, gid, name, folder, keeper, cgroup, limits };
    await prepare(host, slot, disk);
    return slot;
  } catch (error) {
    await cgroup?.remove();
    fs.rmSync(folder, { recursive: true, force: true });
    host.root?.uids.give(uid);
    throw error;
  }
}

async function prepare(host: NamespaceHost, { keeper, uid, gid }: Slot, disk: DiskPlan): Promise<void> {
  const { architecture, stage, root } = host;
  try {
    await keeper.perform((id) =>
      prepareFrame({ architecture, privileged: root !== undefined, uid, gid, stage, disk }, id),
    );
  } catch (error) {
    await keeper.end();
    throw error;
  }
}

function diskOf(host: NamespaceHost, uid: number, folder: string, { diskMib }: Limits): DiskPlan {
  return host.root?.images === undefined
    ? { kind: 'tmpfs', bytes: diskMib * 1024 * 1024, inodes: diskMib * INODES_PER_MIB }
    : { kind: 'loop', image: path.join(folder, 'disk.ext4'), device: loopDevice(uid, 0) };
}

/** Gives a slot other limits, as far as they can still be changed: not the size of its disk. */
export function fitSlot(slot: Slot, limits: Limits): boolean {
  if (limits.diskMib !== slot.limits.diskMib) return false;
  if (JSON.stringify(limits) !== JSON.stringify(slot.limits)) slot.cgroup?.limit(limits);
  return true;
}

/** Ends everything in the slot and frees it; when this resolves, no process, mount, group or file of it is left. */
export async function freeSlot(host: NamespaceHost, slot: Slot): Promise<void> {
  slot.cgroup?.killInside();
  if (slot.cgroup === undefined) slot.keeper.kill();
  else await untilEmpty(slot);
  await slot.keeper.end();
  await slot.cgroup?.remove();
  fs.rmSync(slot.folder, { recursive: true, force: true });
  host.root?.uids.give(slot.uid);
}

/** The keeper reaps what it forked, so it goes last; what does not end within the bound is killed with it. */
async function untilEmpty(slot: Slot): Promise<void> {
  const keeper = slot.keeper.pid;
  for (let attempt = 0; attempt < 100; attempt++) {
    if (slot.cgroup?.processes().every((pid) => pid === keeper)) return;
    await new Promise((resolve) => setTimeout(resolve, Math.min(1 + attempt, 20)));
  }
}
