import { one, verb } from '../command/command.js';

/** `writ completion` */
export const completion = verb({
  name: 'completion',
  about: 'print the completion script of a shell',
  arguments: { shell: one('bash, zsh or fish') },
  examples: [
    'completion bash >> ~/.bashrc',
    'completion zsh > "${fpath[1]}/_writ"',
    'completion fish > ~/.config/fish/completions/writ.fish',
  ],
  act: async (call, { shell }) => (await import('./completion.actions.js')).script(call, shell),
});
