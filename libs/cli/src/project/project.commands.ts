import { number, one, text, verb, type Noun } from '../command/command.js';

const actions = () => import('./project.actions.js');

/** `writ project …` */
export const project: Noun = {
  name: 'project',
  about: 'tenants of this installation; for operators',
  verbs: [
    verb({
      name: 'list',
      about: 'list projects, newest first',
      options: {
        limit: number('<n>', 'at most this many; default 50'),
        pageToken: text('<token>', 'go on after an earlier page'),
      },
      examples: ['project list'],
      act: async (call, _given, options) => (await actions()).listProjects(call, options),
    }),
    verb({
      name: 'create',
      about: 'create an empty project, isolated from every other',
      arguments: { name: one('name for people') },
      options: { id: text('<id>', 'chosen by you, tnt_ and a UUID; makes a repeat harmless') },
      examples: ['project create support', 'export WRIT_PROJECT=$(writ project create support -q)'],
      act: async (call, { name }, { id }) => (await actions()).createProject(call, name, id),
    }),
  ],
};
