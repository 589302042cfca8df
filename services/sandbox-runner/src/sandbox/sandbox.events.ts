import type { EventDraft } from '@writ/ledger/domain';

/** Limits as they were granted, with every default filled in. */
export interface SandboxLimits {
  readonly memoryMib: number;
  readonly processes: number;
  readonly cpuMilli: number;
  readonly diskMib: number;
}

/** Why a sandbox is no more. `failed`: it never ran. */
export type StopReason = 'stopped' | 'expired' | 'revoked' | 'crashed' | 'runner_restarted' | 'failed';

export interface SandboxRequested {
  readonly name: string;
  /** The artifact and the exact commit that its work folder starts from; neither for an empty one. */
  readonly artifact?: string;
  readonly commit?: string;
  readonly limits: SandboxLimits;
  readonly mounts: readonly { readonly source: string; readonly target: string; readonly writable: boolean }[];
  /** The host that runs it. */
  readonly runner: string;
  readonly tier: string;
  readonly agent: string;
  readonly run?: string;
  /** ISO 8601; it is stopped then. */
  readonly expires: string;
}

export type SandboxEvent =
  | EventDraft<'sandbox.requested.v1', SandboxRequested>
  /** It runs. `layers`: what isolates it on this host, as it was found, not as it was configured. */
  | EventDraft<'sandbox.started.v1', { readonly layers: readonly string[] }>
  /** A command of a person or a service, as older ledgers tell it: every command is an `action.*` event now. */
  | EventDraft<
      'sandbox.command_ended.v1',
      {
        readonly argv: readonly string[];
        readonly exitCode: number;
        readonly reason: string;
        readonly durationMs: number;
      }
    >
  | EventDraft<'sandbox.stopped.v1', { readonly reason: StopReason; readonly detail?: string }>;
