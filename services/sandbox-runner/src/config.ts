import { BaseConfig, readConfig } from '@writ/platform';
import * as z from 'zod';

const mib = z.coerce.number().int().min(1);

/** The environment of the sandbox runner. */
export const SandboxRunnerConfig = BaseConfig.extend({
  /**
   * The least isolation that a sandbox may have here. `namespace`: every layer, a host user of its own; needs root.
   * `namespace-rootless`: also what an ordinary user can do. A host that gives less refuses to create sandboxes.
   */
  WRIT_SANDBOX_MIN_TIER: z.enum(['namespace', 'namespace-rootless']).default('namespace-rootless'),
  /** Folders of this host that sandboxes may see, read-only, with everything in them; separated by commas. */
  WRIT_SANDBOX_MOUNTS: z.string().default(''),
  /** The executable of bubblewrap; default: where distributions install it. */
  WRIT_SANDBOX_BWRAP: z.string().optional(),
  /** Sandboxes prepared ahead, without a tenant. */
  WRIT_SANDBOX_READY: z.coerce.number().int().min(0).max(64).default(2),
  /** Sandboxes at once. */
  WRIT_SANDBOX_MAX: z.coerce.number().int().min(1).max(240).default(64),
  /** The size of each volume. */
  WRIT_VOLUME_MIB: mib.default(256),
  /**
   * Where artifacts may be imported from: prefixes of absolute paths and of http(s) URLs, separated by commas. A host that
   * leads to an address which is not public needs `WRIT_OUTBOUND_ALLOW` too.
   */
  WRIT_ARTIFACT_SOURCES: z.string().default('https://'),
  /** The most that all objects of one artifact may take. */
  WRIT_ARTIFACT_MIB: mib.default(4096),
  /** The most that the tree of one commit may have. */
  WRIT_ARTIFACT_FILES: z.coerce.number().int().min(1).default(200_000),
  WRIT_ARTIFACT_TREE_MIB: mib.default(4096),
  /** The most memory that one process of Git may take: a few bytes of a pack can unfold to any size. */
  WRIT_ARTIFACT_MEMORY_MIB: mib.default(2048),
  /** Checkouts of commits that are kept for the next sandbox. */
  WRIT_CHECKOUTS: z.coerce.number().int().min(1).default(32),
});
export type SandboxRunnerConfig = z.infer<typeof SandboxRunnerConfig>;

/** @throws Error that names every variable that is missing or wrong */
export function parseConfig(env: Record<string, string | undefined>): SandboxRunnerConfig {
  return readConfig(SandboxRunnerConfig, env);
}

/** What a sandbox has that does not ask for anything else. */
export const defaultLimits = { memoryMib: 512, processes: 128, cpuMilli: 1000, diskMib: 256 } as const;
