import { DomainError, refuse } from '@writ/ledger/domain';
import {
  FileRefusal,
  IsolationUnavailable,
  type IsolatedSandbox,
  type IsolationDriver,
  type SandboxSpec,
} from '../isolation/isolation.js';
import { HostFull } from '../isolation/namespace/slot.js';
import { VolumeBusy } from '../isolation/namespace/volumes.js';

/** The driver of this host, or why there is none, in the words of the API. */
export class Isolation {
  constructor(
    private readonly opened: IsolationDriver | DomainError,
    private readonly max: number,
    private readonly running: () => number,
  ) {}

  /** Throws `sandbox.isolation_unavailable`, `sandbox.tier_too_low`. */
  get driver(): IsolationDriver {
    if (this.opened instanceof DomainError) throw this.opened;
    return this.opened;
  }

  /** Throws the refusals of `driver`, and `sandbox.host_full`, `sandbox.volume_busy`, `sandbox.start_failed`. */
  async create(spec: SandboxSpec): Promise<IsolatedSandbox> {
    try {
      return await this.driver.create(spec);
    } catch (error) {
      if (error instanceof DomainError) throw error;
      if (error instanceof HostFull) throw refuse('sandbox.host_full', error.message);
      if (error instanceof VolumeBusy) throw refuse('sandbox.volume_busy', error.message);
      throw new DomainError('sandbox.start_failed', (error as Error).message, {}, { cause: error });
    }
  }

  /** Throws `sandbox.host_full`. */
  assertRoom(): void {
    if (this.running() >= this.max)
      throw refuse('sandbox.host_full', `${this.max} sandboxes run here already (WRIT_SANDBOX_MAX)`);
  }

  async close(): Promise<void> {
    if (!(this.opened instanceof DomainError)) await this.opened.close();
  }
}

/** Why there is no driver, as a refusal. */
export function unavailable(error: unknown): DomainError {
  if (error instanceof DomainError) return error;
  const reasons = error instanceof IsolationUnavailable ? error.reasons : [(error as Error).message];
  return new DomainError(
    'sandbox.isolation_unavailable',
    reasons.join('; '),
    { reasons: [...reasons] },
    { cause: error },
  );
}

/** What a sandbox's system said about a file, as a refusal; anything else is thrown as it is. */
export function fileRefusal(error: unknown): unknown {
  if (!(error instanceof FileRefusal)) return error;
  const { errno, path } = error;
  if (errno === 'ENOENT' || errno === 'ENOTDIR')
    return refuse('sandbox.file_not_found', `${path}: ${errno}`, { path, errno });
  if (errno === 'EFBIG') return refuse('sandbox.file_too_large', `${path} is too large to be read at once`, { path });
  if (errno === 'ENOSPC' || errno === 'EDQUOT')
    return refuse('sandbox.disk_full', `${path}: the disk is full`, { path });
  return refuse('sandbox.file_refused', `${path}: ${errno}`, { path, errno });
}
