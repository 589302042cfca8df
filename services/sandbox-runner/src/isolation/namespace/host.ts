import type { CgroupTree } from '../cgroups/cgroup-tree.js';
import type { Architecture } from '../seccomp/syscalls.js';
import type { DiskImages } from './disks.js';
import type { Uids } from './uids.js';

/** What of this host all sandboxes of a runner share, found out once. */
export interface NamespaceHost {
  readonly architecture: Architecture;
  readonly bubblewrap: string;
  /** Where bubblewrap's sources are mounted, in each sandbox's own mount namespace. */
  readonly stage: string;
  /** The runner's folder for files that live no longer than a sandbox. */
  readonly live: string;
  readonly launcher: string;
  readonly initProgram: string;
  readonly filterFile: string;
  readonly filter: Uint8Array;
  readonly etc: string;
  /** The Node.js that the runner itself runs on, for sandboxes of a host that has none. */
  readonly node: string;
  /** The hard limit of open files, which no sandbox may have more of. */
  readonly openFiles: number;
  /** What only root can give; without it the tier is `namespace-rootless`. */
  readonly root?: {
    readonly cgroups: CgroupTree;
    readonly uids: Uids;
    /** Absent where loop devices do not work; disks are memory then. */
    readonly images?: DiskImages;
  };
}
