import { choice, flag, number, text } from './command.js';

/** Flags that every command takes, before or after it. */
export const globalOptions = {
  json: flag('the body of the REST answer on stdout, errors as problem documents (RFC 9457) on stderr'),
  output: { ...choice(['table', 'json', 'jsonl', 'name'], 'form of the output; default table'), short: 'o' },
  quiet: { ...flag('ids only, no talk'), short: 'q' },
  profile: text('<name>', 'profile of the configuration file (WRIT_PROFILE)'),
  url: text('<url>', 'where Writ is (WRIT_URL)'),
  keyFile: text('<file>', 'who calls: a file {"client_id", "jwk"} (WRIT_KEY_FILE)'),
  project: text('<id>', 'tenant to act in, for operators (WRIT_PROJECT)'),
  timeout: number('<seconds>', 'how long one call may take; default 30'),
  yes: { ...flag('do not ask for confirmation'), short: 'y' },
  noInput: flag('never ask anything'),
  noColor: flag('no colours (NO_COLOR)'),
} as const;

export type Format = 'table' | 'json' | 'jsonl' | 'name';

export interface Globals {
  readonly format: Format;
  readonly quiet: boolean;
  readonly profile?: string;
  readonly url?: string;
  readonly keyFile?: string;
  readonly project?: string;
  readonly timeoutMs: number;
  readonly yes: boolean;
  /** Whether a person may be asked: a terminal on both ends, no CI, no `--no-input`. */
  readonly mayAsk: boolean;
}

/** @param given what the parser read for the flags above; it knows `--no-input` as `input: false` */
export function globalsOf(given: Record<string, unknown>, env: NodeJS.ProcessEnv, terminal: boolean): Globals {
  const quiet = given['quiet'] === true;
  const format =
    given['json'] === true ? 'json' : ((given['output'] as Format | undefined) ?? (quiet ? 'name' : 'table'));
  const texts = Object.fromEntries(
    (['profile', 'url', 'keyFile', 'project'] as const).flatMap((name) =>
      typeof given[name] === 'string' ? [[name, given[name]]] : [],
    ),
  ) as Pick<Globals, 'profile' | 'url' | 'keyFile' | 'project'>;
  return {
    ...texts,
    format,
    quiet,
    timeoutMs: 1000 * ((given['timeout'] as number | undefined) ?? 30),
    yes: given['yes'] === true,
    mayAsk: terminal && given['input'] !== false && !env['CI'] && format === 'table',
  };
}
