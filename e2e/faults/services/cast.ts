/** Who works while services die, two tool servers, and the policies for all this. */
import path from 'node:path';
import { projectRoot } from '@writ/testkit';
import type { Rest } from '../../demo/rest.js';
import { peopleOf, type People, type Place } from '../stack/people.js';
import type { Journal } from './journal.js';

export interface Cast extends People {
  /** Of the memories. */
  readonly scope: string;
}

const policies = `
@id("work") permit (principal is Writ::Agent, action, resource)
  unless { resource == Writ::Tool::"files/write_file" };
@id("reports") @ask("May this be filed?")
permit (principal is Writ::Agent, action == Writ::Action::"tool.call", resource == Writ::Tool::"files/write_file");
@id("reading") permit (principal is Writ::Person, action == Writ::Action::"tool.call", resource == Writ::Tool::"files/read_text_file");
`;

const fileServer = '/app/node_modules/@modelcontextprotocol/server-filesystem/dist/index.js';

export async function castOf(stack: Place, journal: Journal): Promise<Cast> {
  const people = await peopleOf(stack);
  const { person } = people;
  await connectTools(person, journal);
  await person.put('/v1/policies', { files: [{ name: 'all.cedar', text: policies }], mode: 'POLICY_MODE_ENFORCE' });
  return { ...people, scope: 'errands' };
}

async function connectTools(person: Rest, journal: Journal): Promise<void> {
  const mounts = [
    { source: path.join(projectRoot, 'node_modules'), target: '/app/node_modules', writable: false },
    { source: 'volume:reports', target: '/reports', writable: true },
  ];
  await person.post('/v1/tool-servers', { name: 'journal', spec: { http: { url: journal.url } } });
  await person.post('/v1/tool-servers', {
    name: 'files',
    spec: { stdio: { argv: ['node', fileServer, '/reports'], mounts } },
  });
  for (const server of ['journal', 'files']) {
    const { tools } = await person.get<{ tools: { name: string; hash: string }[] }>(`/v1/tools?server=${server}`);
    for (const { name, hash } of tools) await person.post('/v1/tools:approve', { name, hash });
  }
}
