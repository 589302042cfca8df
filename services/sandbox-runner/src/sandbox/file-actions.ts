import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Caller } from '@writ/api';
import { refuse } from '@writ/ledger/domain';
import type { ChangeFilesRequest } from '@writ/proto/sandbox/v1/sandbox';
import type { FileEntry, SandboxFiles } from '../isolation/isolation.js';
import { permitted } from '../permitted.js';
import type { Runner } from '../runner.js';
import { fileRefusal } from './isolation.js';

/** What one message may carry. */
const READ_BYTES = 16 * 1024 * 1024;
const VERBS = ['list', 'stat', 'mkdir', 'rm'] as const;

/** The content of one file. Throws `sandbox.file_*`. */
export async function readFile(
  runner: Runner,
  caller: Caller,
  id: string,
  path: string,
): Promise<{ data: Uint8Array }> {
  const data = await onFiles(runner, caller, { id, verb: 'read', path }, (files) => files.read(path, READ_BYTES));
  return { data };
}

/** Creates or replaces a file. */
export async function writeFile(
  runner: Runner,
  caller: Caller,
  { id, path, data }: { id: string; path: string; data: Uint8Array },
): Promise<Record<string, never>> {
  await onFiles(runner, caller, { id, verb: 'write', path, bytes: data.length }, (files) => files.write(path, data));
  return {};
}

/** `list`, `stat`, `mkdir` and `rm`. */
export async function changeFiles(runner: Runner, caller: Caller, { id, path, verb }: ChangeFilesRequest) {
  const known = VERBS.find((each) => each === verb);
  if (known === undefined) throw refuse('sandbox.exec_invalid', `${verb} is none of ${VERBS.join(', ')}`);
  const entries = await onFiles(runner, caller, { id, verb: known, path }, async (files): Promise<FileEntry[]> => {
    if (known === 'list') return files.list(path);
    if (known === 'stat') return [await files.stat(path)];
    await files[known](path);
    return [];
  });
  return {
    entries: entries.map(({ name, kind, size, modifiedMs }) => ({
      name,
      kind,
      size: BigInt(size),
      modifyTime: timestampFromMs(modifiedMs),
    })),
  };
}

/**
 * An operation on files is a command that the sandbox brings itself, and is permitted like one: a policy sees the
 * program `file-read`, `file-write`, ... and the path. The content is in no event.
 */
async function onFiles<T>(
  runner: Runner,
  caller: Caller,
  about: { id: string; verb: string; path: string; bytes?: number },
  operate: (files: SandboxFiles) => Promise<T>,
): Promise<T> {
  const { id, verb, path, bytes } = about;
  if (path.includes('\0')) throw refuse('sandbox.exec_invalid', 'a path cannot contain a NUL character');
  const sandbox = await runner.sandboxes.use(caller, id);
  const program = `file-${verb}`;
  const argv = [program, path, ...(bytes === undefined ? [] : [String(bytes)])];
  const done = await permitted(
    runner.enforcement,
    caller,
    {
      action: 'sandbox.exec',
      resource: { type: 'Sandbox', id },
      arguments: { program, argv },
      effectId: '',
      effect: 'idempotent',
    },
    async () => {
      const { isolated } = sandbox;
      if (isolated === undefined) throw refuse('sandbox.stopped', `${id} has stopped`);
      try {
        return await operate(isolated.files);
      } catch (error) {
        if (sandbox.stopping !== undefined) throw refuse('sandbox.stopped', `${id} was stopped`);
        throw fileRefusal(error);
      }
    },
  );
  if ('now' in done) return done.now;
  throw new Error('a new effect id was answered as an old one');
}
