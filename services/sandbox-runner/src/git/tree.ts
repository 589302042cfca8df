import { refuse } from '@writ/ledger/domain';
import type { Git } from './git.js';

/** What the tree of one commit may have. */
export interface TreeCaps {
  readonly files: number;
  readonly treeMib: number;
}

/** What Linux takes: `PATH_MAX` with its end, less the folder that the tree will lie in, and `NAME_MAX`. */
const MAX_PATH_BYTES = 3072;
const MAX_NAME_BYTES = 255;

/**
 * Files and bytes of a commit's tree, before anything of it is written. A few trees that hold each other many times
 * unfold to billions of files, so the listing ends at the first one too many.
 *
 * @throws DomainError `artifact.too_large`, `artifact.bad_path`
 */
export async function measureTree(
  git: Git,
  repository: string,
  commit: string,
  caps: TreeCaps,
): Promise<{ files: number; bytes: number }> {
  const enough = new AbortController();
  let files = 0;
  let bytes = 0;
  let rest = '';
  const take = (line: string): void => {
    // 100644 blob 78981922613b2afb6025042ff6bd878ac1994e85      12\tpath
    const [, size = '0', path = ''] = /^\d+ \w+ \S+ +(\d+|-)\t(.*)$/s.exec(line) ?? [];
    files += 1;
    bytes += size === '-' ? 0 : Number(size);
    if (files > caps.files || bytes > caps.treeMib * 1024 * 1024) {
      const most = `at most ${caps.files} files and ${caps.treeMib} MiB`;
      throw refuse('artifact.too_large', `the tree of ${commit} has more than that: ${most}`);
    }
    if (path.length > MAX_PATH_BYTES || path.split('/').some((name) => name.length > MAX_NAME_BYTES))
      throw refuse('artifact.bad_path', `${path.slice(0, 100)}… is longer than a file system takes`);
  };
  await git.run(['-C', repository, 'ls-tree', '-r', '-l', '-z', '--full-tree', commit], {
    signal: enough.signal,
    onOutput: (chunk) => {
      if (enough.signal.aborted) return;
      const lines = (rest + chunk.toString('latin1')).split('\0');
      rest = lines.pop() ?? '';
      try {
        lines.forEach(take);
        if (rest.length > 2 * MAX_PATH_BYTES) take(`0 blob 0 0\t${rest}`);
      } catch (error) {
        enough.abort(error);
      }
    },
  });
  return { files, bytes };
}
