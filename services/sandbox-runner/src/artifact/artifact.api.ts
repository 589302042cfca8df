import { Inject } from '@nestjs/common';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { ApiService, type Caller, type ServiceImplementation } from '@writ/api';
import { refuse } from '@writ/ledger/domain';
import { viewReaches } from '@writ/platform';
import {
  ArtifactService,
  type GetArtifactRequest,
  type ImportArtifactRequest,
  type ListArtifactsRequest,
} from '@writ/proto/sandbox/v1/sandbox';
import { permitted } from '../permitted.js';
import { Runner } from '../runner.js';
import { ARTIFACT_VIEW, type ArtifactRow } from './artifact.view.js';

const PAGE = 50;
const VIEW_WAIT_MS = 5_000;

/** Implements `writ.sandbox.v1.ArtifactService`. */
@ApiService(ArtifactService)
export class ArtifactApi implements ServiceImplementation<typeof ArtifactService> {
  constructor(@Inject(Runner) private readonly runner: Runner) {}

  async importArtifact(request: ImportArtifactRequest, caller: Caller) {
    const { artifacts, enforcement } = this.runner;
    if (request.id !== '' && !/^art_[\w-]+$/.test(request.id))
      throw refuse('artifact.not_found', `${request.id} is not the id of an artifact`);
    const source = artifacts.checkSource(request.source);
    const done = await permitted(
      enforcement,
      caller,
      {
        action: 'artifact.import',
        resource: { type: 'Artifact', id: source },
        arguments: { source },
        effectId: '',
        effect: 'idempotent',
      },
      (signal) => artifacts.import(caller, { source, ref: request.ref, name: request.name, id: request.id }, signal),
      ({ artifact }) => artifact.id,
    );
    if ('now' in done) return { artifact: messageOf(done.now.artifact), position: done.now.position };
    return { artifact: messageOf(await artifacts.find(caller.tenant, String(done.before))), position: '' };
  }

  async getArtifact({ id, after }: GetArtifactRequest, caller: Caller) {
    await this.upTo(after);
    return { artifact: messageOf(await this.runner.artifacts.find(caller.tenant, id)) };
  }

  async listArtifacts({ pageSize, pageToken, after }: ListArtifactsRequest, caller: Caller) {
    await this.upTo(after);
    const limit = pageSize || PAGE;
    const rows = await this.runner.artifactQueries.list(caller.tenant, limit, pageToken || undefined);
    return { artifacts: rows.map(messageOf), nextPageToken: rows.length === limit ? (rows.at(-1)?.id ?? '') : '' };
  }

  private async upTo(after: string): Promise<void> {
    if (await viewReaches(this.runner.host, ARTIFACT_VIEW, after, VIEW_WAIT_MS)) return;
    throw refuse('sandbox.view_behind', `the view has not reached ${after} within ${VIEW_WAIT_MS} ms; try again`);
  }
}

function messageOf({ id, name, source, commit, files, bytes, created }: ArtifactRow) {
  return {
    id,
    name,
    source,
    commit,
    files: BigInt(files),
    bytes: BigInt(bytes),
    createTime: timestampFromDate(created),
  };
}
