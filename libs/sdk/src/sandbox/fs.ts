import { Buffer } from 'node:buffer';
import type { FileInfo, SandboxPort } from './port.js';
import type { SandboxFs } from './sandbox.js';

type Files = Pick<SandboxPort, 'readFile' | 'writeFile' | 'files'>;
type Encoding = BufferEncoding | { encoding?: BufferEncoding | null; signal?: AbortSignal } | null | undefined;

const encodingOf = (options: Encoding) => (typeof options === 'string' ? options : (options?.encoding ?? undefined));
const signalOf = (options: unknown) => (options as { signal?: AbortSignal } | undefined | null)?.signal;

function pathOf(path: unknown): string {
  if (typeof path === 'string') return path;
  if (path instanceof URL) return decodeURIComponent(path.pathname);
  if (path instanceof Uint8Array) return Buffer.from(path).toString();
  throw new TypeError('a path in a sandbox is a string, a file URL or bytes');
}

async function bytesOf(data: unknown, encoding: BufferEncoding | undefined): Promise<Uint8Array> {
  if (typeof data === 'string') return Buffer.from(data, encoding);
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const parts: Uint8Array[] = [];
  for await (const part of data as AsyncIterable<unknown>) parts.push(await bytesOf(part, encoding));
  return Buffer.concat(parts);
}

/** `node:fs/promises` over the files of a sandbox, as far as a sandbox has them: `Stats` and `Dirent` know kind, name, size and time of change. */
export function sandboxFs(id: string, files: Files): SandboxFs {
  const fs = {
    async readFile(path: unknown, options?: Encoding) {
      const bytes = Buffer.from(await files.readFile(id, pathOf(path), signalOf(options)));
      const encoding = encodingOf(options);
      return encoding ? bytes.toString(encoding) : bytes;
    },
    async writeFile(path: unknown, data: unknown, options?: Encoding) {
      await files.writeFile(
        id,
        pathOf(path),
        Uint8Array.from(await bytesOf(data, encodingOf(options))),
        signalOf(options),
      );
    },
    async readdir(path: unknown, options?: { withFileTypes?: boolean }) {
      const entries = await files.files(id, 'list', pathOf(path), undefined);
      return options?.withFileTypes
        ? entries.map((info) => direntOf(info, pathOf(path)))
        : entries.map(({ name }) => name);
    },
    async mkdir(path: unknown) {
      await files.files(id, 'mkdir', pathOf(path), undefined);
    },
    async rm(path: unknown) {
      await files.files(id, 'rm', pathOf(path), undefined);
    },
    async stat(path: unknown) {
      const [info] = await files.files(id, 'stat', pathOf(path), undefined);
      if (!info)
        throw Object.assign(new Error(`ENOENT: no such file or directory, stat '${pathOf(path)}'`), { code: 'ENOENT' });
      return statsOf(info);
    },
  };
  return fs as unknown as SandboxFs;
}

const no = () => false;
const kinds = ({ kind }: FileInfo) => ({
  isFile: () => kind === 'file',
  isDirectory: () => kind === 'directory',
  isSymbolicLink: () => kind === 'symlink',
  isBlockDevice: no,
  isCharacterDevice: no,
  isFIFO: no,
  isSocket: no,
});

const direntOf = (info: FileInfo, parentPath: string) => ({ name: info.name, parentPath, ...kinds(info) });
const statsOf = (info: FileInfo) => ({
  size: info.size,
  mtimeMs: info.modifyTimeMs,
  mtime: new Date(info.modifyTimeMs),
  ...kinds(info),
});
