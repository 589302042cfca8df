import fs from 'node:fs/promises';
import path from 'node:path';
import { explained } from './failures.js';
import type { Git } from './git.js';
import { measureTree, type TreeCaps } from './tree.js';

/** The files of one commit, ready to be the lower layer of sandboxes. */
export interface Checkout {
  readonly folder: string;
  /** The bare repository with the history, for `/repo.git` inside. */
  readonly repository: string;
  /** The sandbox has ended: the checkout may be removed when room is needed. */
  release(): void;
}

/** Where a sandbox sees the repository that its checkout comes from. */
export const REPOSITORY_INSIDE = '/repo.git';
const CHECKOUT_TIMEOUT_MS = 10 * 60_000;

interface Entry {
  readonly ready: Promise<string>;
  users: number;
  lastUsed: number;
}

/** Checkouts by commit, each made once and shared read-only. Those that were not used for longest go when there are too many. */
export class Checkouts {
  private readonly entries = new Map<string, Entry>();

  constructor(
    private readonly git: Git,
    private readonly folder: string,
    private readonly keep: number,
    private readonly caps: TreeCaps,
  ) {}

  /** A checkout of a commit that `repository` has; `name` is the repository's among all. */
  async take(name: string, repository: string, commit: string): Promise<Checkout> {
    const key = `${name}/${commit}`;
    let entry = this.entries.get(key);
    if (entry === undefined) {
      const ready = this.make(path.join(this.folder, key), repository, commit);
      entry = { ready, users: 0, lastUsed: Date.now() };
      this.entries.set(key, entry);
      ready.catch(() => this.entries.delete(key));
    }
    entry.users += 1;
    const release = (): void => {
      entry.users -= 1;
      entry.lastUsed = Date.now();
    };
    try {
      const folder = await entry.ready;
      void this.evict();
      return { folder, repository, release };
    } catch (error) {
      release();
      throw error;
    }
  }

  /**
   * A clone that borrows its objects: inside, Git works on the work folder as anywhere, and what it writes is the sandbox's
   * own. Nothing that the repository says is executed, and links are written as links.
   */
  private async make(target: string, repository: string, commit: string): Promise<string> {
    if (await exists(target)) return target; // from an earlier life of this runner; the name appears when it is complete
    const draft = `${target}.new`;
    await fs.rm(draft, { recursive: true, force: true });
    try {
      // Its import measured one commit; this may be any other of the repository.
      await measureTree(this.git, repository, commit, this.caps);
      await this.checkOut(draft, repository, commit);
      await fs.rename(draft, target);
      return target;
    } catch (error) {
      await fs.rm(draft, { recursive: true, force: true });
      throw explained(error, commit, this.folder);
    }
  }

  private async checkOut(draft: string, repository: string, commit: string): Promise<void> {
    await fs.mkdir(draft, { recursive: true, mode: 0o755 });
    await this.git.run(['init', '--quiet', '--template=', '--initial-branch=main', draft]);
    const alternates = path.join(draft, '.git/objects/info/alternates');
    await fs.mkdir(path.dirname(alternates), { recursive: true });
    await fs.writeFile(alternates, `${path.join(repository, 'objects')}\n`);
    const shallow = path.join(repository, 'shallow');
    if (await exists(shallow)) await fs.copyFile(shallow, path.join(draft, '.git/shallow'));
    await this.copyRefs(repository, draft);
    const options = ['--quiet', '--force', '--detach', '--no-recurse-submodules'];
    await this.git.run(['-C', draft, 'checkout', ...options, commit], { timeoutMs: CHECKOUT_TIMEOUT_MS });
    await fs.writeFile(alternates, `${REPOSITORY_INSIDE}/objects\n`);
    // Owner, inode and change time are others inside; with these, Git need not read every file again to see that none changed.
    for (const [name, value] of [
      ['core.checkStat', 'minimal'],
      ['core.trustctime', 'false'],
      ['gc.auto', '0'],
    ] as const)
      await this.git.run(['-C', draft, 'config', name, value]);
  }

  /** Branches and tags as they are now; later imports do not change a checkout. */
  private async copyRefs(repository: string, draft: string): Promise<void> {
    let refs = '';
    await this.git.run(
      ['-C', repository, 'for-each-ref', '--format=%(objectname) %(refname)', 'refs/heads', 'refs/tags'],
      {
        onOutput: (chunk) => (refs += chunk.toString()),
      },
    );
    await fs.writeFile(path.join(draft, '.git/packed-refs'), `# pack-refs with: sorted \n${refs}`);
  }

  private async evict(): Promise<void> {
    const idle = [...this.entries]
      .filter(([, { users }]) => users === 0)
      .sort(([, a], [, b]) => a.lastUsed - b.lastUsed);
    for (const [key] of idle.slice(0, Math.max(0, this.entries.size - this.keep))) {
      this.entries.delete(key);
      const target = path.join(this.folder, key);
      // The name goes first: a half-removed checkout must not be taken for a whole one.
      await fs.rename(target, `${target}.gone`).catch(() => undefined);
      await fs.rm(`${target}.gone`, { recursive: true, force: true });
    }
  }
}

async function exists(file: string): Promise<boolean> {
  return fs.access(file).then(
    () => true,
    () => false,
  );
}
