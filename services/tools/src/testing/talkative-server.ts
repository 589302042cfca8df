import {
  inputRequired,
  ResourceNotFoundError,
  Server,
  type CallToolResult,
  type InputRequiredResult,
  type ServerContext,
  type Tool,
} from '@modelcontextprotocol/server';

const inputSchema = { type: 'object' as const, properties: { region: { type: 'string', 'x-mcp-header': 'Region' } } };
const tool = (name: string, more: Partial<Tool> = {}): Tool => ({ name, description: name, inputSchema, ...more });
const said = (text: string): CallToolResult => ({ content: [{ type: 'text', text }] });

/** What a talkative server offers. */
export const talkativeTools: readonly Tool[] = [
  tool('count'),
  tool('ask'),
  tool('hang', { annotations: { readOnlyHint: true } }),
  tool('big'),
  tool('fail'),
];

/** What tests turn and read. */
export interface Talk {
  /** Characters that `big` answers. */
  size: number;
  /** Calls of `hang` that began, and that were given up. */
  hung: number;
  givenUp: number;
  /** What clients answered. */
  answers: unknown[];
}

/** A server that tells how far it is, logs, asks its client, hangs, and has a prompt and resources. */
export function talkativeServer(talk: Talk): Server {
  const server = new Server(
    { name: 'talkative', version: '1' },
    { capabilities: { tools: { listChanged: true }, prompts: {}, resources: {}, completions: {}, logging: {} } },
  );
  server.setRequestHandler('tools/list', () => ({ tools: [...talkativeTools] }));
  server.setRequestHandler('tools/call', ({ params: { name } }, context) => run(name, talk, context));
  server.setRequestHandler('prompts/list', () => ({ prompts: [{ name: 'greet' }, { name: 'secret' }] }));
  server.setRequestHandler('prompts/get', ({ params }) => ({
    messages: [{ role: 'user', content: { type: 'text', text: `Greet ${params.arguments?.['who'] ?? params.name}` } }],
  }));
  server.setRequestHandler('resources/list', () => ({
    resources: ['page:1', 'draft:1'].map((uri) => ({ uri, name: uri })),
  }));
  server.setRequestHandler('resources/read', ({ params: { uri } }) => {
    if (!/:1$/.test(uri)) throw new ResourceNotFoundError(uri);
    return { contents: [{ uri, text: `the text of ${uri}` }] };
  });
  server.setRequestHandler('completion/complete', ({ params }) => ({
    completion: { values: [`${params.argument.value}nn`] },
  }));
  return server;
}

async function run(name: string, talk: Talk, { mcpReq }: ServerContext): Promise<CallToolResult | InputRequiredResult> {
  switch (name) {
    case 'count': {
      const progressToken = mcpReq._meta?.progressToken;
      for (const progress of [1, 2]) {
        await mcpReq.log('info', `step ${progress}`);
        if (progressToken !== undefined)
          await mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: 2 } });
      }
      return said('counted');
    }
    case 'ask': {
      const answer = mcpReq.inputResponses?.['name'];
      if (answer === undefined)
        return inputRequired({
          inputRequests: {
            name: inputRequired.elicit({
              message: 'Who are you?',
              requestedSchema: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] },
            }),
          },
        });
      talk.answers.push(answer);
      return said('asked');
    }
    case 'hang':
      talk.hung++;
      return new Promise((resolve) => {
        mcpReq.signal.addEventListener('abort', () => {
          talk.givenUp++;
          resolve(said('given up'));
        });
      });
    case 'big':
      return said('x'.repeat(talk.size));
    default:
      return { ...said('it went wrong'), isError: true };
  }
}
