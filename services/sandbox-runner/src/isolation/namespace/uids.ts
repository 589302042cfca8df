import { takeName } from './host-lock.js';

const FIRST_UID = 200_000;
const BLOCK = 256;
const BLOCKS = 256;
const FIRST_LOOP_DEVICE = 2048;
const LOOP_DEVICES_PER_UID = 8;

/** The host users that one runner gives to its sandboxes. No two runners of a host have one in common. */
export class Uids {
  private readonly free: number[];

  private constructor(
    private readonly first: number,
    private readonly lock: { release(): void },
  ) {
    this.free = Array.from({ length: BLOCK }, (_, index) => first + index);
  }

  /** Takes the first block of users that no other runner has. */
  static async claim(): Promise<Uids> {
    for (let block = 0; block < BLOCKS; block++) {
      const lock = await takeName(`uids/${block}`);
      if (lock !== undefined) return new Uids(FIRST_UID + block * BLOCK, lock);
    }
    throw new Error(`all ${BLOCKS} blocks of host users are taken by other runners`);
  }

  /** The user that was free for longest, or `undefined` when the host is full. */
  take(): number | undefined {
    return this.free.shift();
  }

  /** Only once no process and no file of the user is left. */
  give(uid: number): void {
    this.free.push(uid);
  }

  get range(): string {
    return `${this.first}-${this.first + BLOCK - 1}`;
  }

  /** Whether a loop device belongs to one of these users. */
  ownsDevice(device: number): boolean {
    const first = loopDevice(this.first, 0);
    return device >= first && device < first + BLOCK * LOOP_DEVICES_PER_UID;
  }

  release(): void {
    this.lock.release();
  }
}

/** The loop devices that belong to a user, so that nobody has to ask which one is free: 0 is its disk's, 1 to 7 volumes'. */
export const loopDevice = (uid: number, index: number): number => {
  if (index >= LOOP_DEVICES_PER_UID) throw new RangeError(`a sandbox has at most ${LOOP_DEVICES_PER_UID - 1} volumes`);
  return FIRST_LOOP_DEVICE + (uid - FIRST_UID) * LOOP_DEVICES_PER_UID + index;
};
