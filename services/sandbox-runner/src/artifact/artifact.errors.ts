import type { ErrorCatalogue } from '@writ/ledger/domain';

/** Refusals of artifacts. */
export const artifactErrors = {
  'artifact.not_found': { status: 404, title: 'There is no such artifact' },
  'artifact.no_such_ref': { status: 404, title: 'The artifact has no such commit, branch or tag' },
  'artifact.other_source': { status: 409, title: 'The artifact was imported from another source' },
  'artifact.source_refused': {
    status: 403,
    title: 'Nothing may be imported from there',
    hint: 'The operator sets WRIT_ARTIFACT_SOURCES.',
  },
  'artifact.not_a_repository': { status: 422, title: 'The source is not a Git repository' },
  'artifact.empty': { status: 422, title: 'The repository has no commit' },
  'artifact.too_large': { status: 413, title: 'The repository or its tree is too large' },
  'artifact.bad_path': { status: 422, title: 'The tree has a path that no file system takes' },
  'artifact.host_full': { status: 503, title: 'The host has no room for the artifact', retry: true },
  'artifact.git_refused': { status: 400, title: 'Git does not take this request' },
  'artifact.read_only': { status: 403, title: 'Artifacts cannot be pushed to' },
  'artifact.import_failed': { status: 422, title: 'The repository could not be imported' },
  'artifact.git_too_old': {
    status: 503,
    title: 'Git on this host is too old to import by name',
    hint: 'Git 2.37 connects to the address that was checked.',
  },
} as const satisfies ErrorCatalogue;
