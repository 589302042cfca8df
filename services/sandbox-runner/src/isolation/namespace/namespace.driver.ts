import fs from 'node:fs';
import path from 'node:path';
import type { IsolatedSandbox, IsolationDriver, Limits, Reaped, SandboxSpec, Tier } from '../isolation.js';
import { LAUNCH_ID } from '../launcher/keeper.program.js';
import { bubblewrapArguments, LAUNCHER_INSIDE, NODE_FOLDER, type View } from './bubblewrap.js';
import { adoptFrame } from './enter.program.js';
import type { NamespaceHost } from './host.js';
import { launchFrame, type LaunchPlan, type StagedFolder } from './launch.program.js';
import { NamespaceSandbox } from './namespace.sandbox.js';
import { fitSlot, freeSlot, makeSlot, type Slot } from './slot.js';
import { systemEntries } from './system.js';
import { loopDevice } from './uids.js';
import type { Volumes } from './volumes.js';

/** While another slot is ready there is no hurry; without one, the next sandbox would wait. */
const REFILL_AFTER_MS = { some: 100, none: 25 };

export interface NamespaceDriverParts {
  readonly host: NamespaceHost;
  readonly tier: Tier;
  readonly reaped: Reaped;
  readonly volumes: Volumes | undefined;
  /** How many slots are kept ready. */
  readonly ready: number;
  /** What ready slots are made for. */
  readonly limits: Limits;
  /** Gives back what the runner holds of the host. */
  release(): Promise<void>;
}

/** Sandboxes of Linux namespaces, by bubblewrap. */
export class NamespaceDriver implements IsolationDriver {
  private readonly system = systemEntries();
  private readonly running = new Set<NamespaceSandbox>();
  private readonly slots: Promise<Slot>[] = [];
  private readonly pending = new Set<Promise<unknown>>();
  private refilling: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(private readonly parts: NamespaceDriverParts) {
    this.refill();
  }

  get tier(): Tier {
    return this.parts.tier;
  }
  get reaped(): Reaped {
    return this.parts.reaped;
  }

  create(spec: SandboxSpec): Promise<IsolatedSandbox> {
    const creation = this.launch(spec);
    this.pending.add(creation);
    return creation.finally(() => this.pending.delete(creation));
  }

  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.refilling);
    await Promise.allSettled([...this.pending]);
    const ready = await Promise.allSettled(this.slots.splice(0));
    const freed = await Promise.allSettled([
      ...[...this.running].map((sandbox) => sandbox.stop()),
      ...ready.flatMap((slot) => (slot.status === 'fulfilled' ? [freeSlot(this.parts.host, slot.value)] : [])),
    ]);
    await this.parts.release();
    for (const end of [...ready, ...freed]) if (end.status === 'rejected') throw end.reason;
  }

  private async launch(spec: SandboxSpec): Promise<IsolatedSandbox> {
    const { host, volumes } = this.parts;
    if (this.closed) throw new Error('the runner is stopping');
    const slot = await this.takeSlot(spec.limits);
    const taken: string[] = [];
    const release = (): void => taken.forEach((volume) => volumes?.release(volume));
    try {
      const folders = await this.folders(spec, slot, taken);
      const initPid = await this.start(this.plan(spec, slot, folders), slot);
      const sandbox: NamespaceSandbox = new NamespaceSandbox(host, slot, {
        spec,
        initPid,
        onFreed: () => {
          this.running.delete(sandbox);
          release();
        },
      });
      this.running.add(sandbox);
      return sandbox;
    } catch (error) {
      await freeSlot(host, slot);
      release();
      throw error;
    } finally {
      this.refillSoon();
    }
  }

  /** A ready slot, if it fits; a slot that does not is kept for the next sandbox. */
  private async takeSlot(limits: Limits): Promise<Slot> {
    const ready = limits.diskMib === this.parts.limits.diskMib ? this.slots.shift() : undefined;
    const slot = await ready?.catch(() => undefined);
    return slot !== undefined && fitSlot(slot, limits) ? slot : makeSlot(this.parts.host, limits);
  }

  /** Not at once: whoever just got a sandbox is about to use it, and making a slot takes the processor for milliseconds. */
  private refillSoon(): void {
    clearTimeout(this.refilling);
    const afterMs = this.slots.length > 0 ? REFILL_AFTER_MS.some : REFILL_AFTER_MS.none;
    this.refilling = setTimeout(() => this.refill(), afterMs).unref();
  }

  /** One slot at a time, so that making them never competes with using them. */
  private refill(): void {
    if (this.closed || this.slots.length >= this.parts.ready) return;
    const slot = makeSlot(this.parts.host, this.parts.limits);
    this.slots.push(slot);
    slot.then(
      () => this.refill(),
      () => this.slots.splice(this.slots.indexOf(slot) >>> 0, 1), // the next creation makes its own, and fails by itself
    );
  }

  private async folders(
    spec: SandboxSpec,
    slot: Slot,
    taken: string[],
  ): Promise<(StagedFolder & { target?: string })[]> {
    const folders: (StagedFolder & { target?: string })[] = [{ source: this.parts.host.etc, name: 'etc' }];
    if (spec.checkout !== undefined) {
      folders.push({ source: spec.checkout.folder, name: 'lower', owned: true });
      folders.push({ source: spec.checkout.repository, name: 'repository', target: '/repo.git', owned: true });
    }
    for (const [index, { source, target, writable }] of spec.mounts.entries()) {
      const name = `mount-${index}`;
      if ('folder' in source) folders.push({ source: source.folder, name, target });
      else {
        if (this.parts.volumes === undefined) throw new Error('this host cannot keep volumes: it has no loop devices');
        const image = await this.parts.volumes.take(source.volume);
        taken.push(source.volume);
        const device = loopDevice(slot.uid, taken.length);
        folders.push({ source: { image, device }, name, target, writable, owned: true });
      }
    }
    return folders;
  }

  private plan(spec: SandboxSpec, slot: Slot, folders: readonly (StagedFolder & { target?: string })[]): LaunchPlan {
    const { host } = this.parts;
    const files = [
      { source: host.launcher, name: 'launcher', target: LAUNCHER_INSIDE },
      { source: host.node, name: 'node', target: `${NODE_FOLDER}/node` },
    ];
    const view: View = {
      bubblewrap: host.bubblewrap,
      stage: host.stage,
      system: this.system,
      folders: folders.flatMap(({ target, ...folder }) => (target === undefined ? [] : [{ ...folder, target }])),
      files,
      // Two of these, and files in memory count as memory: a full one should say so, not get its writer killed.
      tmpBytes: spec.limits.memoryMib * 1024 * 256,
      hostname: 'sandbox',
    };
    return {
      architecture: host.architecture,
      privileged: host.root !== undefined,
      uid: slot.uid,
      gid: slot.gid,
      stage: host.stage,
      folders,
      files,
      ...(spec.checkout === undefined ? {} : { lower: 'lower' }),
      ...(slot.cgroup === undefined ? {} : { boxCgroup: slot.cgroup.box }),
      initProgram: host.initProgram,
      filter: host.filterFile,
      info: path.join(slot.folder, 'info'),
      pipes: path.join(slot.folder, 'pipes'),
      bubblewrap: bubblewrapArguments(view, fs.existsSync),
    };
  }

  /** Launches, waits for the first process inside, and hands its namespaces to the keeper. Returns its number on the host. */
  private async start(plan: LaunchPlan, { keeper }: Slot): Promise<number> {
    const assembled = launchFrame(plan, LAUNCH_ID);
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve, reject) => {
      timer = setTimeout(() => reject(new Error('the sandbox did not start within 30 s')), 30_000);
      keeper.send(LAUNCH_ID, assembled, { onRecord: () => resolve(), onError: reject });
    }).finally(() => {
      clearTimeout(timer);
      keeper.forget(LAUNCH_ID);
    });
    const initPid = (JSON.parse(fs.readFileSync(plan.info, 'utf8')) as { 'child-pid': number })['child-pid'];
    const { architecture, privileged, uid, gid, pipes } = plan;
    await keeper.perform((id) => adoptFrame({ architecture, privileged, uid, gid, initPid, pipes }, id));
    const users = /^Uid:\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)$/m
      .exec(fs.readFileSync(`/proc/${initPid}/status`, 'utf8'))
      ?.slice(1);
    if (users === undefined || users.some((user) => Number(user) !== uid))
      throw new Error(`the sandbox runs as ${users?.join()}, not as its user ${uid}`);
    return initPid;
  }
}
