import { randomUUID } from 'node:crypto';
import type { Answer } from '../api/route.js';
import { routes } from '../api/routes.js';
import type { Call } from '../command/call.js';
import { Refused } from '../failure/refused.js';
import { ago } from '../output/text.js';
import type { Column } from '../output/table.js';
import { newKeyPair, writeKeyFile } from './key-file.js';

type Agent = Answer<typeof routes.listAgents>['agents'][number];
type Capability = Agent['capabilities'][number];

/** `tool.call=files/*`, as `--can` takes it. */
export const capabilityText = ({ actions, resources }: Capability): string =>
  actions.join(',') + (resources.length > 0 ? `=${resources.join(',')}` : '');

/** The inverse. @throws Refused `cli.usage` */
export function parseCapability(text: string): Capability {
  const at = text.indexOf('=');
  const actions = (at < 0 ? text : text.slice(0, at)).split(',');
  const resources = at < 0 ? [] : text.slice(at + 1).split(',');
  if ([...actions, ...resources].every((part) => part !== '')) return { actions, resources };
  throw new Refused('cli.usage', `'${text}' is no capability`, { hint: 'for example run.start, or tool.call=files/*' });
}

const columns: readonly Column<Agent>[] = [
  { head: 'ID', of: ({ id }) => id },
  { head: 'NAME', of: ({ name }) => name, flexible: true },
  { head: 'STATE', of: ({ state }) => state },
  { head: 'OWNER', of: ({ owner }) => owner },
  { head: 'MAY', of: ({ capabilities }) => capabilities.map(capabilityText).join('  '), flexible: true },
  { head: 'CREATED', of: ({ createTime }) => ago(createTime) },
];

interface Page {
  limit?: number | undefined;
  pageToken?: string | undefined;
}

export async function listAgents(call: Call, { limit: pageSize = 50, pageToken = '' }: Page): Promise<void> {
  const body = await (await call.api()).call(routes.listAgents, { pageSize, pageToken });
  const { agents: rows, nextPageToken: more } = body;
  call.out.list(body, { rows, columns, name: ({ id }) => id, empty: 'no agents; `writ agent create <name>`', more });
}

export async function getAgent(call: Call, id: string): Promise<void> {
  const body = await (await call.api()).call(routes.getAgent, { id });
  const { name, state, owner, capabilities, keys, createTime } = body.agent as Agent;
  call.out.thing(body, {
    name: id,
    fields: [
      ['id', id],
      ['name', name],
      ['state', state],
      ['owner', owner],
      ['may', capabilities.map(capabilityText).join('\n')],
      ['keys', keys.map(({ kid }) => kid).join('\n')],
      ['created', createTime && `${createTime} (${ago(createTime)})`],
    ],
  });
}

interface CreateOptions {
  can: string[];
  owner?: string | undefined;
  id?: string | undefined;
  out?: string | undefined;
}

/** The key is on the disk before anybody knows its public half, and is taken away again where nobody wanted to. */
export async function createAgent(call: Call, name: string, options: CreateOptions): Promise<void> {
  const { owner, id = `agt_${randomUUID()}`, out = `${name.replace(/[^\w.-]+/g, '-')}.key.json` } = options;
  const capabilities = options.can.map(parseCapability);
  const api = await call.api();
  const { jwk, publicJwk } = newKeyPair();
  const remove = await writeKeyFile(out, id, jwk);
  try {
    const request = { name, id, jwk: JSON.stringify(publicJwk), capabilities, ...(owner !== undefined && { owner }) };
    const body = await api.call(routes.createAgent, request);
    call.out.receipt(body, id, `created; the private key is in ${out}, use it with WRIT_KEY_FILE=${out}`);
  } catch (error) {
    await remove();
    throw error;
  }
}
