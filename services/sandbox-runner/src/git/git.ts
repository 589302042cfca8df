import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import fs from 'node:fs';
import { isIP } from 'node:net';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { refuse } from '@writ/ledger/domain';
import type { Destination } from '@writ/platform';

/** A Git command that failed; `stderr` is the end of what it said. */
export class GitFailed extends Error {
  constructor(
    readonly command: string,
    readonly exitCode: number | null,
    readonly stderr: string,
  ) {
    super(`git ${command} ended with ${exitCode ?? 'a signal'}: ${stderr.trim().split('\n').at(-1) ?? ''}`);
    this.name = 'GitFailed';
  }
}

export interface GitOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Beside the file, for this command alone. */
  readonly config?: Readonly<Record<string, string>>;
  /** Hears standard output as it comes, instead of keeping it. */
  readonly onOutput?: (chunk: Buffer) => void;
}

const KEPT_BYTES = 1 << 20;

/**
 * What Git may do wherever the runner calls it. No file of the system, of a user or of a repository has a say in what is executed:
 * no hooks, no filters, no helpers, no protocol but those named, and every object is checked on its way in.
 */
const CONFIG = `[safe]
	directory = *
[core]
	hooksPath = /dev/null
	fsmonitor = false
	untrackedCache = false
	symlinks = true
	autocrlf = false
	askPass =
	sshCommand = /bin/false
	bigFileThreshold = 32m
	deltaBaseCacheLimit = 32m
	packedGitWindowSize = 32m
	packedGitLimit = 256m
[pack]
	threads = 2
[credential]
	helper =
[protocol]
	allow = never
[protocol "file"]
	allow = always
[protocol "https"]
	allow = always
[protocol "http"]
	allow = always
[http]
	followRedirects = false
	lowSpeedLimit = 1000
	lowSpeedTime = 30
[fetch]
	unpackLimit = 1
	recurseSubmodules = false
	writeCommitGraph = false
[transfer]
	fsckObjects = true
	bundleURI = false
	hideRefs = refs/writ
[fetch "fsck"]
	zeroPaddedFilemode = ignore
	badTimezone = ignore
	missingSpaceBeforeDate = ignore
	missingSpaceBeforeEmail = ignore
	missingEmail = ignore
	badFilemode = ignore
	missingTaggerEntry = ignore
	gitmodulesSymlink = ignore
[submodule]
	recurse = false
[uploadpack]
	allowFilter = true
	allowAnySHA1InWant = true
[http]
	receivepack = false
[gc]
	auto = 0
[maintenance]
	auto = false
[checkout]
	workers = 0
[advice]
	detachedHead = false
`;

/** Git, as the runner uses it. */
export class Git {
  readonly env: Readonly<Record<string, string>>;

  /**
   * @param folder keeps the one configuration file that Git reads
   * @param memoryMib what one process of Git may take: a few bytes of a pack can unfold to any size
   */
  constructor(
    folder: string,
    private readonly memoryMib = 2048,
  ) {
    fs.mkdirSync(folder, { recursive: true, mode: 0o755 });
    const config = path.join(folder, 'gitconfig');
    fs.writeFileSync(config, CONFIG);
    this.env = {
      PATH: '/usr/local/bin:/usr/bin:/bin',
      HOME: folder,
      LC_ALL: 'C',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: config,
      GIT_ATTR_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
      GIT_ALLOW_PROTOCOL: 'file:http:https',
      GIT_PROTOCOL_FROM_USER: '0',
      GIT_NO_LAZY_FETCH: '1',
      GIT_OPTIONAL_LOCKS: '0',
      MALLOC_ARENA_MAX: '2', // each arena counts as memory that is taken
    };
  }

  /** Starts Git in a group of its own, so that what it starts ends with it. */
  spawn(args: readonly string[], options: SpawnOptions): ChildProcess {
    const bounded = ['-c', 'ulimit -v "$0" && exec git "$@"', String(this.memoryMib * 1024), ...args];
    return spawn('/bin/sh', bounded, { cwd: '/', detached: true, env: this.env, ...options });
  }

  /**
   * Configuration with which Git connects to the addresses that were checked, and resolves no name itself.
   *
   * @throws DomainError `artifact.git_too_old` where it would resolve the name once more
   */
  async pinned({ url, addresses }: Destination): Promise<Readonly<Record<string, string>>> {
    const { hostname, protocol, port } = url;
    if (isIP(hostname.replace(/^\[|\]$/g, '')) !== 0) return {};
    const [, major = 0, minor = 0] = (/(\d+)\.(\d+)/.exec(await this.run(['version'])) ?? []).map(Number);
    if (major < 2 || (major === 2 && minor < 37))
      throw refuse(
        'artifact.git_too_old',
        `Git ${major}.${minor} cannot be told to which address of ${hostname} to connect`,
      );
    const allowed = addresses.map(({ address, family }) => (family === 6 ? `[${address}]` : address));
    const at = `${hostname}:${port || (protocol === 'https:' ? '443' : '80')}`;
    return { 'http.curloptResolve': `${at}:${allowed.join(',')}` };
  }

  /** Ends a command and what it has started; one that has ended already is left alone. */
  static kill(child: ChildProcess): void {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // it has ended this moment
    }
  }

  /** Runs a command; gives its standard output, up to a MiB. Throws `GitFailed`, or the reason of the signal. */
  run(args: readonly string[], options: GitOptions = {}): Promise<string> {
    const { timeoutMs = 60_000, signal, config = {}, onOutput } = options;
    signal?.throwIfAborted();
    return new Promise((resolve, reject) => {
      const env = { ...this.env, ...configVariables(config) };
      const child = this.spawn(args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
      const [stdout, stderr] = [child.stdout as Readable, child.stderr as Readable];
      const kept: { stdout: Buffer[]; stderr: string } = { stdout: [], stderr: '' };
      let size = 0;
      const kill = (): void => Git.kill(child);
      const timer = setTimeout(kill, timeoutMs);
      signal?.addEventListener('abort', kill, { once: true });
      stdout.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (onOutput !== undefined) onOutput(chunk);
        else if (size <= KEPT_BYTES) kept.stdout.push(chunk);
      });
      stderr.on('data', (chunk: Buffer) => (kept.stderr = (kept.stderr + chunk.toString()).slice(-4000)));
      const end = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', kill);
      };
      child.on('error', (error) => {
        end();
        reject(error);
      });
      child.on('close', (code) => {
        end();
        if (signal?.aborted) reject(signal.reason as Error);
        else if (code === 0) resolve(Buffer.concat(kept.stdout).toString());
        else reject(new GitFailed(args.filter((argument) => !argument.startsWith('-')).at(0) ?? '', code, kept.stderr));
      });
    });
  }
}

/** `GIT_CONFIG_COUNT` and what belongs to it: configuration that no argument and no file shows. */
function configVariables(config: Readonly<Record<string, string>>): Record<string, string> {
  const entries = Object.entries(config).flatMap(([key, value], index) => [
    [`GIT_CONFIG_KEY_${index}`, key],
    [`GIT_CONFIG_VALUE_${index}`, value],
  ]);
  return { GIT_CONFIG_COUNT: String(entries.length / 2), ...(Object.fromEntries(entries) as Record<string, string>) };
}
