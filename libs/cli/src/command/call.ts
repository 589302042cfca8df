import { ApiClient } from '../api/client.js';
import { tokensOf } from '../api/identity.js';
import { readSettings, type Settings } from '../config/settings.js';
import { Printer } from '../output/printer.js';
import type { Globals } from './globals.js';

/** One invocation of the program: what was asked for globally, where to write, and the way to the server. */
export class Call {
  readonly out: Printer;
  #settings: Promise<Settings> | undefined;
  #api: Promise<ApiClient> | undefined;

  /** @param signal aborts on Ctrl-C, with a Refused `cli.interrupted` */
  constructor(
    readonly globals: Globals,
    readonly signal: AbortSignal,
  ) {
    this.out = new Printer(globals);
  }

  settings(): Promise<Settings> {
    return (this.#settings ??= readSettings(this.globals, process.env, process.cwd()));
  }

  /** Asks nothing yet. */
  api(): Promise<ApiClient> {
    return (this.#api ??= this.settings().then((settings) => this.clientOf(settings)));
  }

  /** A client with other settings than those that were found. */
  clientOf(settings: Settings): ApiClient {
    const client: ApiClient = new ApiClient({
      url: settings.url.value,
      project: settings.project?.value,
      token: tokensOf(settings, () => client.beginnings()),
      timeoutMs: this.globals.timeoutMs,
      signal: this.signal,
      unreachableHint: hintFor(settings),
    });
    return client;
  }
}

function hintFor({ url, stackPid }: Settings): string {
  if (url.source === 'default') return 'start one here with `writ dev`, or name another with --url or WRIT_URL';
  if (stackPid !== undefined && !alive(stackPid))
    return `the stack of ${url.source} (process ${stackPid}) is gone: start it again with \`writ dev\``;
  return `is it running? the address is from: ${url.source}`;
}

/** Whether a process of this machine is there. */
export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
