import { choice, flag, list, number, one, rest, text, verb, type Noun } from '../command/command.js';

const actions = () => import('./sandbox.actions.js');

/** `writ sandbox …` */
export const sandbox: Noun = {
  name: 'sandbox',
  about: 'isolated Linux environments',
  verbs: [
    verb({
      name: 'list',
      about: 'list sandboxes, newest first',
      options: {
        state: choice(['starting', 'running', 'stopped'], 'only in this state'),
        run: text('<id>', 'only of this run'),
        limit: number('<n>', 'at most this many; default 50'),
        pageToken: text('<token>', 'go on after an earlier page'),
      },
      examples: ['sandbox list --state running', 'sandbox list -o name'],
      act: async (call, _given, options) => (await actions()).listSandboxes(call, options),
    }),
    verb({
      name: 'exec',
      about: 'run a command in a sandbox and stream its output',
      more: [
        'Put `--` before the command, or its flags are taken for flags of writ. No shell is involved.',
        'Exit 0 if the command exits 0, else 1 with its code on stderr. With --json one frame a line, output in base64.',
      ].join('\n'),
      arguments: { id: one('id of the sandbox'), argv: rest('the command and its arguments') },
      options: {
        cwd: text('<folder>', 'default: the work folder'),
        env: list('<NAME=value>', 'environment; repeat it'),
        limit: number('<seconds>', 'how long it may take; default 60'),
        stdin: flag('send what is on stdin, all of it'),
      },
      examples: ['sandbox exec sbx_… -- ls -la', "sandbox exec sbx_… --limit 600 -- sh -c 'npm ci && npm test'"],
      act: async (call, { id, argv }, options) => (await actions()).exec(call, id, argv, options),
    }),
  ],
};
