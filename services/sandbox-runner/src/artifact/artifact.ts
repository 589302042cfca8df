import { refuse, type Aggregate } from '@writ/ledger/domain';
import type { ArtifactEvent, ArtifactImported } from './artifact.events.js';

/** A Git repository that the runner keeps. It may be imported again, from the same source only; its commits stay. */
export type Artifact =
  | { readonly status: 'none' }
  | { readonly status: 'importing'; readonly source: string; readonly before?: ArtifactImported }
  | { readonly status: 'ready'; readonly imported: ArtifactImported };

export type ArtifactCommand =
  | { readonly type: 'import'; readonly source: string; readonly name: string; readonly ref: string }
  | ({ readonly type: 'complete' } & ArtifactImported)
  | { readonly type: 'fail'; readonly code: string; readonly detail: string };

/** Subject: the artifact id. */
export const artifactAggregate: Aggregate<Artifact, ArtifactCommand, ArtifactEvent> = {
  name: 'artifact',
  initial: { status: 'none' },
  events: ['artifact.import_requested.v1', 'artifact.imported.v1', 'artifact.import_failed.v1'],

  decide(command, artifact, { subject }) {
    switch (command.type) {
      case 'import': {
        const source = artifact.status === 'none' ? command.source : sourceOf(artifact);
        if (source !== command.source)
          throw refuse('artifact.other_source', `${subject} comes from ${source}`, { source });
        const { type: _, ...requested } = command;
        return [{ type: 'artifact.import_requested.v1', data: requested }];
      }
      case 'complete': {
        if (artifact.status === 'none')
          throw refuse('artifact.not_found', `there is no artifact ${subject}`, { id: subject });
        const { type: _, ...imported } = command;
        return [{ type: 'artifact.imported.v1', data: imported }];
      }
      case 'fail': {
        if (artifact.status !== 'importing') return [];
        const { type: _, ...failed } = command;
        return [{ type: 'artifact.import_failed.v1', data: failed }];
      }
    }
  },

  evolve(artifact, event) {
    switch (event.type) {
      case 'artifact.import_requested.v1': {
        const { source } = event.data as { source: string };
        const before =
          artifact.status === 'ready'
            ? artifact.imported
            : artifact.status === 'importing'
              ? artifact.before
              : undefined;
        return { status: 'importing', source, ...(before === undefined ? {} : { before }) };
      }
      case 'artifact.imported.v1':
        return { status: 'ready', imported: event.data as ArtifactImported };
      case 'artifact.import_failed.v1':
        // An import that fails takes nothing away; one that was the first leaves nothing.
        if (artifact.status !== 'importing') return artifact;
        return artifact.before === undefined
          ? artifactAggregate.initial
          : { status: 'ready', imported: artifact.before };
    }
  },
};

const sourceOf = (artifact: Exclude<Artifact, { status: 'none' }>): string =>
  artifact.status === 'ready' ? artifact.imported.source : artifact.source;
