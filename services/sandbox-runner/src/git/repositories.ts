import { refuse } from '@writ/ledger/domain';
import type { Destination } from '@writ/platform';
import fs from 'node:fs/promises';
import path from 'node:path';
import { GitFailed, type Git } from './git.js';
import { explained } from './failures.js';
import { measureTree, type TreeCaps } from './tree.js';

/** What may be imported at most. */
export interface RepositoryCaps extends TreeCaps {
  /** Everything of a repository. */
  readonly repositoryMib: number;
}

/** Where a source is, as it was checked; undefined for a folder. @throws DomainError where nothing may be imported from */
export type Locate = (source: string) => Promise<Destination | undefined>;

/** What a repository held when it was imported. */
export interface ImportedRepository {
  readonly commit: string;
  /** The branch that the source's HEAD named; absent when it was detached. */
  readonly branch?: string;
  readonly files: number;
  readonly bytes: number;
  /** The source had only a part of the history, so this has no more. */
  readonly shallow: boolean;
}

const IMPORT_TIMEOUT_MS = 30 * 60_000;
const WATCH_MS = 500;
const HEAD = 'refs/writ/HEAD';

/** Bare repositories that the runner keeps, by tenant and id of their artifact. */
export class Repositories {
  constructor(
    private readonly git: Git,
    private readonly folder: string,
    private readonly caps: RepositoryCaps,
    private readonly locate: Locate,
  ) {}

  /** Where a repository lies. Its objects are never removed while the artifact exists, so every commit ever imported stays. */
  path(tenant: string, id: string): string {
    if (!/^art_[\w-]+$/.test(id) || !/^[\w-]+$/.test(tenant))
      throw refuse('artifact.not_found', `there is no artifact ${id}`, { id });
    return path.join(this.folder, tenant, `${id}.git`);
  }

  /**
   * Brings the branches and tags of a source in, into a new repository or one that is there (`target`, a `path`). Uncommitted changes of a working
   * tree are not part of it. Throws `artifact.*`.
   */
  async import(target: string, source: string, ref: string, signal?: AbortSignal): Promise<ImportedRepository> {
    const isNew = !(await exists(target));
    const repository = isNew ? `${target}.new` : target;
    try {
      if (isNew) {
        await fs.rm(repository, { recursive: true, force: true });
        await fs.mkdir(path.dirname(repository), { recursive: true });
        await this.git.run(['init', '--bare', '--quiet', '--template=', '--initial-branch=main', repository]);
      }
      const branch = await this.fetch(repository, source, ref, signal);
      const commit = await this.resolve(repository, ref);
      const size = await measureTree(this.git, repository, commit, this.caps);
      const shallow = await exists(path.join(repository, 'shallow'));
      if (isNew) await fs.rename(repository, target);
      return { commit, ...(branch === undefined ? {} : { branch }), ...size, shallow };
    } catch (error) {
      if (isNew) await fs.rm(repository, { recursive: true, force: true });
      throw explained(error, source, this.folder);
    }
  }

  /** The commit that a branch, a tag, a commit id or its beginning names; empty is what HEAD of the source named. */
  async resolve(repository: string, ref: string): Promise<string> {
    if (!isRef(ref)) throw refuse('artifact.no_such_ref', `${ref} is not the name of a commit`, { ref });
    const names = ref === '' || ref === 'HEAD' ? [HEAD] : [`refs/heads/${ref}`, `refs/tags/${ref}`, ref];
    for (const name of names) {
      try {
        const argument = `${name}^{commit}`;
        return (
          await this.git.run(['-C', repository, 'rev-parse', '--verify', '--quiet', '--end-of-options', argument])
        ).trim();
      } catch (error) {
        if (!(error instanceof GitFailed)) throw error;
      }
    }
    throw refuse('artifact.no_such_ref', `the artifact has no commit ${ref || 'HEAD'}`, { ref });
  }

  private async fetch(
    repository: string,
    source: string,
    ref: string,
    signal?: AbortSignal,
  ): Promise<string | undefined> {
    const destination = await this.locate(source);
    const config = destination === undefined ? {} : await this.git.pinned(destination);
    const head = await this.git.run(['ls-remote', '--symref', '--', source, 'HEAD'], {
      config,
      ...(signal && { signal }),
    });
    const branch = /^ref: refs\/heads\/(\S+)\tHEAD$/m.exec(head)?.[1];
    if (!/^[0-9a-f]{40,64}\tHEAD$/m.test(head)) throw refuse('artifact.empty', `${source} has no commit`, { source });
    const refs = ['+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*', `+HEAD:${HEAD}`];
    // A commit that no branch holds, such as that of a pull request, is named by its id.
    if (/^[0-9a-f]{40}$/.test(ref)) refs.push(`+${ref}:refs/writ/commits/${ref}`);
    const options = ['--quiet', '--no-write-fetch-head', '--update-shallow', '--no-tags', '--prune'];
    await this.bounded(repository, signal, (bound) =>
      this.git.run(['-C', repository, 'fetch', ...options, '--', source, ...refs], {
        config,
        timeoutMs: IMPORT_TIMEOUT_MS,
        signal: bound,
      }),
    );
    if (branch !== undefined && isRef(branch))
      await this.git.run(['-C', repository, 'symbolic-ref', 'HEAD', `refs/heads/${branch}`]);
    else await this.git.run(['-C', repository, 'update-ref', '--no-deref', 'HEAD', HEAD]);
    return branch;
  }

  /** Git has no limit on what it fetches, so the packs are watched while they grow. */
  private async bounded<T>(
    repository: string,
    signal: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const tooLarge = new AbortController();
    const limit = this.caps.repositoryMib * 1024 * 1024;
    const check = async (): Promise<void> => {
      if ((await bytesIn(repository)) > limit)
        tooLarge.abort(refuse('artifact.too_large', `the repository is larger than ${this.caps.repositoryMib} MiB`));
    };
    const timer = setInterval(() => void check(), WATCH_MS);
    try {
      const result = await work(signal === undefined ? tooLarge.signal : AbortSignal.any([signal, tooLarge.signal]));
      await check();
      tooLarge.signal.throwIfAborted();
      return result;
    } finally {
      clearInterval(timer);
    }
  }
}

/** Names that Git cannot take for an option, a range, a path or an expression. */
function isRef(ref: string): boolean {
  return !/^[-/]|\.\.|@\{|[\x00-\x20~^:?*[\\\x7f]|\.lock$|\/$/.test(ref);
}

/** What it takes on the disk, where a file of a few bytes takes a block. */
async function bytesIn(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await fs.readdir(folder, { recursive: true }).catch(() => []))
    bytes += ((await fs.lstat(path.join(folder, name)).catch(() => undefined))?.blocks ?? 0) * 512;
  return bytes;
}

async function exists(file: string): Promise<boolean> {
  return fs.access(file).then(
    () => true,
    () => false,
  );
}
