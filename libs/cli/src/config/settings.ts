import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Globals } from '../command/globals.js';
import { userProfile } from './user-file.js';

/** A value and where it was found, for people. */
export interface Setting {
  readonly value: string;
  readonly source: string;
}

/** Where Writ is and who calls it. */
export interface Settings {
  readonly url: Setting;
  readonly token?: Setting;
  readonly keyFile?: Setting;
  readonly project?: Setting;
  /** The agent that runs are started as, where none is named: people and operators start runs of agents. */
  readonly agent?: Setting;
  /** Process of the stack that `.writ/stack.json` tells of, where that file was found. */
  readonly stackPid?: number;
  /** An identity that was found and not taken, because it stands beside another address. */
  readonly foreign?: { readonly url: string; readonly source: string };
}

type Name = 'url' | 'token' | 'keyFile' | 'project' | 'agent';

interface Layer {
  readonly source: string;
  readonly values: { readonly [N in Name]?: string | undefined };
  readonly stackPid?: number;
}

const defaultUrl = 'http://127.0.0.1:8080';

/**
 * Flags, then the environment, then a profile that was named, then the project's `.writ/stack.json`, then the user's own
 * default profile. Whoever names another place than a weaker source does not get that source's identity.
 */
export async function readSettings(globals: Globals, env: NodeJS.ProcessEnv, folder: string): Promise<Settings> {
  const { url, keyFile, project } = globals;
  const named = globals.profile ?? env['WRIT_PROFILE'];
  const profile = await userProfile(named, env);
  const layers: (Layer | undefined)[] = [
    { source: 'flags', values: { url, keyFile, project } },
    {
      source: 'environment',
      values: {
        url: env['WRIT_URL'],
        token: env['WRIT_TOKEN'],
        keyFile: env['WRIT_KEY_FILE'],
        project: env['WRIT_PROJECT'],
      },
    },
    ...(named === undefined ? [await projectLayer(folder), profile] : [profile, await projectLayer(folder)]),
  ];
  return merged(layers.filter((layer) => layer !== undefined));
}

function merged(layers: readonly Layer[]): Settings {
  const place = layers.find(({ values }) => values.url);
  const url = place?.values.url ?? defaultUrl;
  const beside = layers.filter((layer, index) => {
    const stronger = place === undefined || index <= layers.indexOf(place);
    return stronger || layer.values.url === undefined || sameUrl(layer.values.url, url);
  });
  const find = (name: Name): { [N in Name]?: Setting } => {
    const layer = beside.find(({ values }) => values[name]);
    return layer ? { [name]: { value: layer.values[name] as string, source: layer.source } } : {};
  };
  const identity = find('keyFile');
  const keyAt = beside.findIndex(({ values }) => values.keyFile);
  const tokenAt = beside.findIndex(({ values }) => values.token);
  // A key that was named by a flag is meant, also where a token stands in the environment.
  const token = tokenAt >= 0 && (keyAt < 0 || tokenAt <= keyAt) ? find('token') : {};
  const aside = layers.find((layer) => !beside.includes(layer) && (layer.values.token ?? layer.values.keyFile));
  const stackPid = layers.find((layer) => layer.stackPid !== undefined && layer.values.url === url)?.stackPid;
  return {
    url: { value: url, source: place?.source ?? 'default' },
    ...token,
    ...(token.token ? {} : identity),
    ...find('project'),
    ...find('agent'),
    ...(stackPid !== undefined && { stackPid }),
    ...(aside?.values.url !== undefined && { foreign: { url: aside.values.url, source: aside.source } }),
  };
}

function sameUrl(a: string, b: string): boolean {
  return a.replace(/\/$/, '') === b.replace(/\/$/, '');
}

/** `.writ/stack.json`, which a running embedded stack writes, here or above; `dev.json` beside it is of `writ dev`. */
async function projectLayer(folder: string): Promise<Layer | undefined> {
  for (let at = path.resolve(folder); ; at = path.dirname(at)) {
    const data = path.join(at, '.writ');
    const stack = await jsonFile(path.join(data, 'stack.json'));
    if (stack) {
      const dev = (await jsonFile(path.join(data, 'dev.json'))) ?? {};
      return {
        source: path.join(path.relative(folder, data) || data, 'stack.json'),
        values: {
          url: textOf(stack['url']),
          keyFile: textOf(stack['operatorKeyFile']),
          project: textOf(dev['project']),
          agent: textOf(dev['agent']),
        },
        ...(typeof stack['pid'] === 'number' && { stackPid: stack['pid'] }),
      };
    }
    if (at === path.dirname(at)) return undefined;
  }
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** Undefined where there is none, or a half-written one. */
export async function jsonFile(file: string): Promise<Record<string, unknown> | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
