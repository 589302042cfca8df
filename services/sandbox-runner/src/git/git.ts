import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

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
  /** Hears lines of standard output as they come, instead of keeping them. */
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

  /** `folder` keeps the one configuration file that Git reads. */
  constructor(folder: string) {
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
    };
  }

  /** Runs a command; gives its standard output, up to a MiB. Throws `GitFailed`, or the reason of the signal. */
  run(args: readonly string[], options: GitOptions = {}): Promise<string> {
    const { timeoutMs = 60_000, signal, onOutput } = options;
    signal?.throwIfAborted();
    return new Promise((resolve, reject) => {
      // A group of its own, so that what Git starts ends with it.
      const child = spawn('git', args, { env: this.env, stdio: ['ignore', 'pipe', 'pipe'], cwd: '/', detached: true });
      const kept: { stdout: Buffer[]; stderr: string } = { stdout: [], stderr: '' };
      let size = 0;
      const kill = (): void => {
        if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
      };
      const timer = setTimeout(kill, timeoutMs);
      signal?.addEventListener('abort', kill, { once: true });
      child.stdout.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (onOutput !== undefined) onOutput(chunk);
        else if (size <= KEPT_BYTES) kept.stdout.push(chunk);
      });
      child.stderr.on('data', (chunk: Buffer) => (kept.stderr = (kept.stderr + chunk.toString()).slice(-4000)));
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
