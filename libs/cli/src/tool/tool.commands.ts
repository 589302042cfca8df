import { choice, one, text, verb, type Noun } from '../command/command.js';

const actions = () => import('./tool.actions.js');

/** `writ tool …` */
export const tool: Noun = {
  name: 'tool',
  about: 'governed tools of MCP servers',
  verbs: [
    verb({
      name: 'list',
      about: 'list tools, and whether their definition is approved',
      options: {
        server: text('<name>', 'only of this server'),
        state: choice(['approved', 'new', 'changed', 'gone'], 'only in this state'),
      },
      examples: ['tool list', 'tool list --state changed', 'tool list --json | jq ".tools[].inputSchema"'],
      act: async (call, _given, options) => (await actions()).listTools(call, options),
    }),
    verb({
      name: 'call',
      about: 'call a tool through the whole pipeline: policy on its arguments, approval, record',
      more: 'Exit 5 if policy denies it or first wants an approval; call again with --approval and the same --effect-id after it was given.',
      arguments: { tool: one('<server>/<tool>') },
      options: {
        arguments: text('<json>', 'JSON, @file, or - for stdin; default {}'),
        effectId: text('<id>', 'the same id is performed once; default: made'),
        approval: text('<id>', 'an approval that was given for exactly this call'),
      },
      examples: ['tool call files/read_text_file --arguments \'{"path":"/reports/report.md"}\''],
      act: async (call, given, options) => (await actions()).callTool(call, given.tool, options),
    }),
  ],
};
