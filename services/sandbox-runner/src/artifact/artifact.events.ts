import type { EventDraft } from '@writ/ledger/domain';

export interface ArtifactImported {
  readonly source: string;
  readonly name: string;
  /** What was asked for; empty: the source's HEAD. */
  readonly ref: string;
  readonly commit: string;
  readonly branch?: string;
  /** Of the commit's tree. */
  readonly files: number;
  readonly bytes: number;
  readonly shallow: boolean;
}

export type ArtifactEvent =
  | EventDraft<'artifact.import_requested.v1', { readonly source: string; readonly name: string; readonly ref: string }>
  /** The runner holds the repository; the commit is what a sandbox starts from unless it names another. */
  | EventDraft<'artifact.imported.v1', ArtifactImported>
  | EventDraft<'artifact.import_failed.v1', { readonly code: string; readonly detail: string }>;
