import type { Caller } from '@writ/api';
import type { CommandClient } from '@writ/ledger';
import { derivedId, DomainError, refuse } from '@writ/ledger/domain';
import type { Checkout, Checkouts } from '../git/checkouts.js';
import type { Repositories } from '../git/repositories.js';
import type { Sources } from '../git/sources.js';
import type { ArtifactCommand } from './artifact.js';
import type { ArtifactQueries, ArtifactRow } from './artifact.view.js';

export interface ArtifactParts {
  readonly commands: CommandClient;
  readonly repositories: Repositories;
  readonly checkouts: Checkouts;
  readonly sources: Sources;
  readonly queries: ArtifactQueries;
}

/** The repositories of all tenants: importing them, naming their commits, giving their files to sandboxes. */
export class Artifacts {
  /** What was imported here, for readers that come before the view does. */
  private readonly recent = new Map<string, ArtifactRow>();
  private readonly importing = new Map<string, Promise<unknown>>();

  constructor(private readonly parts: ArtifactParts) {}

  /** The source as it will be recorded. Throws `artifact.source_refused`. */
  checkSource(source: string): string {
    return this.parts.sources.check(source);
  }

  /** Imports, or imports again; one source is one artifact of a tenant unless an id is given. Throws `artifact.*`. */
  async import(
    caller: Caller,
    asked: { source: string; ref: string; name: string; id: string },
    signal: AbortSignal,
  ): Promise<{ artifact: ArtifactRow; position: string }> {
    const source = this.checkSource(asked.source);
    const id = asked.id || derivedId('art', caller.tenant, source);
    const key = `${caller.tenant}/${id}`;
    const before = this.importing.get(key);
    const importing = (async () => {
      await before?.catch(() => undefined); // Git locks what it writes; two imports of one artifact would only collide
      return this.importOnce(caller, id, { ...asked, source }, signal);
    })();
    this.importing.set(key, importing);
    try {
      return await importing;
    } finally {
      if (this.importing.get(key) === importing) this.importing.delete(key);
    }
  }

  /** One of the caller's tenant. Throws `artifact.not_found`. */
  async find(tenant: string, id: string): Promise<ArtifactRow> {
    const known = /^art_[\w-]+$/.test(id); // and nothing else is looked for
    const found = known && (this.recent.get(`${tenant}/${id}`) ?? (await this.parts.queries.find(tenant, id)));
    if (!found) throw refuse('artifact.not_found', `there is no artifact ${id.slice(0, 100)}`);
    return found;
  }

  /** `art_…` or `art_…@<commit, branch or tag>`, as an exact commit. Throws `artifact.not_found`, `artifact.no_such_ref`. */
  async resolve(tenant: string, from: string): Promise<{ id: string; commit: string }> {
    const at = from.indexOf('@');
    const id = at < 0 ? from : from.slice(0, at);
    const ref = at < 0 ? '' : from.slice(at + 1);
    const artifact = await this.find(tenant, id);
    if (ref === '' || ref === artifact.commit) return { id, commit: artifact.commit };
    return { id, commit: await this.parts.repositories.resolve(this.path(tenant, id), ref) };
  }

  /** The files of a commit. Whose artifact it is was decided by `resolve`. */
  checkout(tenant: string, id: string, commit: string): Promise<Checkout> {
    return this.parts.checkouts.take(`${tenant}/${id}`, this.path(tenant, id), commit);
  }

  /** Where the bare repository lies. */
  path(tenant: string, id: string): string {
    return this.parts.repositories.path(tenant, id);
  }

  private async importOnce(
    caller: Caller,
    id: string,
    asked: { source: string; ref: string; name: string },
    signal: AbortSignal,
  ): Promise<{ artifact: ArtifactRow; position: string }> {
    const { source, ref } = asked;
    const name = asked.name || nameOf(source);
    await this.send(caller, id, { type: 'import', source, name, ref });
    try {
      const imported = await this.parts.repositories.import(this.path(caller.tenant, id), source, ref, signal);
      const { position } = await this.send(caller, id, { type: 'complete', source, name, ref, ...imported });
      const { commit, files, bytes } = imported;
      const created = this.recent.get(`${caller.tenant}/${id}`)?.created ?? new Date();
      const artifact: ArtifactRow = { id, name, source, commit, files, bytes, created };
      this.recent.set(`${caller.tenant}/${id}`, artifact);
      // The first sandbox will want the files; making them ready is no part of the import's success.
      void this.checkout(caller.tenant, id, commit).then(
        (checkout) => checkout.release(),
        () => undefined,
      );
      return { artifact, position };
    } catch (error) {
      const { code, message } =
        error instanceof DomainError ? error : new DomainError('artifact.import_failed', String(error));
      await this.send(caller, id, { type: 'fail', code, detail: message.slice(0, 1000) });
      throw error;
    }
  }

  private send({ tenant, actor, trace }: Caller, id: string, command: ArtifactCommand): Promise<{ position: string }> {
    const about = { tenant, aggregate: 'artifact', subject: id, command, actor };
    return this.parts.commands.send({ ...about, ...(trace !== undefined && { trace }) });
  }
}

/** The last part of a path or URL. */
function nameOf(source: string): string {
  return (source.replace(/\/+$/, '').split('/').at(-1) ?? source).replace(/\.git$/, '') || source;
}
