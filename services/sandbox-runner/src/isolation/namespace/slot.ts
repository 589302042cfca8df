import fs from 'node:fs';
import path from 'node:path';
import type { SandboxCgroup } from '../cgroups/cgroup-tree.js';
import type { Limits } from '../isolation.js';
import { Keeper } from '../launcher/keeper.js';
import type { NamespaceHost } from './host.js';

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
  /** The size of the disk image that is there. */
  readonly diskMib: number | undefined;
}

/** No host user is left to run another sandbox as. */
export class HostFull extends Error {
  constructor() {
    super('no host user is free for another sandbox');
    this.name = 'HostFull';
  }
}

let rootlessSlots = 0;

/** Makes a slot; nothing is left when that fails. */
export async function makeSlot(host: NamespaceHost, diskMib: number): Promise<Slot> {
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
    const images = host.root?.images;
    const [keeper] = await Promise.all([
      Keeper.start(host.launcher, host.architecture, cgroup?.procsFiles ?? []),
      images?.create(path.join(folder, 'disk.ext4'), diskMib),
    ]);
    return { uid, gid, name, folder, keeper, cgroup, diskMib: images === undefined ? undefined : diskMib };
  } catch (error) {
    await cgroup?.remove();
    fs.rmSync(folder, { recursive: true, force: true });
    host.root?.uids.give(uid);
    throw error;
  }
}

/** Applies the limits that the sandbox was asked for; the disk is made anew if it has another size. */
export async function fitSlot(host: NamespaceHost, slot: Slot, limits: Limits): Promise<void> {
  slot.cgroup?.limit(limits);
  if (host.root?.images !== undefined && slot.diskMib !== limits.diskMib)
    await host.root.images.create(path.join(slot.folder, 'disk.ext4'), limits.diskMib);
}

/** Ends everything in the slot and frees it; when this resolves, no process, mount, group or file of it is left. */
export async function freeSlot(host: NamespaceHost, slot: Slot): Promise<void> {
  slot.cgroup?.killInside();
  if (slot.cgroup === undefined) slot.keeper.kill();
  else await untilEmpty(slot);
  slot.keeper.kill();
  await slot.keeper.exited;
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
