import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { Refused } from '../failure/refused.js';

/** `WRIT_CONFIG`, else the XDG place (on Windows `%APPDATA%`). */
export function userFile(env: NodeJS.ProcessEnv): string {
  if (env['WRIT_CONFIG']) return env['WRIT_CONFIG'];
  const home = env['XDG_CONFIG_HOME'] ?? env['APPDATA'] ?? path.join(env['HOME'] ?? homedir(), '.config');
  return path.join(home, 'writ', 'config.toml');
}

/**
 * A profile of the user's file: the one named, else the one that its `default_profile` names, else `default`.
 *
 *     default_profile = "prod"
 *     [profile.prod]
 *     url = "https://writ.example"
 *     key_file = "~/.config/writ/prod.key.json"
 *     project = "tnt_…"
 *
 * @throws Refused `cli.bad_config`, or `cli.usage` where no such profile stands there
 */
export async function userProfile(named: string | undefined, env: NodeJS.ProcessEnv) {
  const file = userFile(env);
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw bad(file, error.message);
  });
  const parsed = text === undefined ? {} : await parsedToml(file, text);
  const profiles = (parsed['profile'] ?? {}) as Record<string, Record<string, unknown>>;
  const name = named ?? (typeof parsed['default_profile'] === 'string' ? parsed['default_profile'] : 'default');
  const profile = profiles[name];
  if (profile === undefined) {
    if (named === undefined) return undefined;
    const known = Object.keys(profiles).join(', ') || 'none';
    throw new Refused('cli.usage', `there is no profile '${named}' in ${file}`, { hint: `profiles there: ${known}` });
  }
  const value = (key: string) => (typeof profile[key] === 'string' ? profile[key] : undefined);
  const keyFile = value('key_file')?.replace(/^~(?=\/)/, env['HOME'] ?? homedir());
  return {
    source: `${file} [${name}]`,
    values: { url: value('url'), keyFile, project: value('project'), agent: value('agent') },
  };
}

async function parsedToml(file: string, text: string): Promise<Record<string, unknown>> {
  const { parse } = await import('smol-toml');
  try {
    return parse(text);
  } catch (error) {
    throw bad(file, (error as Error).message.split('\n')[0] as string);
  }
}

const bad = (file: string, why: string) =>
  new Refused('cli.bad_config', `${file} cannot be read: ${why}`, { hint: 'repair it, or set WRIT_CONFIG to another' });
