import { setTimeout as sleep } from 'node:timers/promises';
import {
  MissingRequiredClientCapabilityError,
  ProtocolError,
  ProtocolErrorCode,
  ResourceNotFoundError,
  Server,
  type CallToolResult,
  type InputRequiredResult,
  type ServerContext,
  type Tool,
} from '@modelcontextprotocol/server';
import { asking, capabilitiesOf, states, type Asked } from './reference-asking.js';
import { IMAGE, prompts, readResource, resources, resourceTemplates } from './reference-content.js';

/** Tells the listeners of 2026-07-28. */
export interface Announce {
  tools(): void;
  prompts(): void;
}

type Run = (
  asked: Asked,
  context: ServerContext,
) => Promise<CallToolResult | InputRequiredResult> | CallToolResult | InputRequiredResult;

interface Offered {
  readonly definition: Omit<Tool, 'name' | 'inputSchema'> & { inputSchema?: Tool['inputSchema'] };
  readonly run: Run;
}

const text = (said: string): CallToolResult => ({ content: [{ type: 'text', text: said }] });
const embedded = (uri: string, mimeType: string, said: string) =>
  ({ type: 'resource', resource: { uri, mimeType, text: said } }) as const;
const image = { type: 'image', data: IMAGE, mimeType: 'image/png' } as const;
const audio = {
  type: 'audio',
  data: 'UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA=',
  mimeType: 'audio/wav',
} as const;

/** One server as the suite wants it: for a session, or for one request. */
export function referenceServer(announce: Announce): Server {
  const server = new Server(
    { name: 'reference', version: '1' },
    {
      capabilities: {
        tools: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
        prompts: { listChanged: true },
        completions: {},
        logging: {},
      },
      cacheHints: {
        'tools/list': { ttlMs: 0, cacheScope: 'private' },
        'prompts/list': { ttlMs: 0, cacheScope: 'private' },
        'resources/list': { ttlMs: 0, cacheScope: 'private' },
        'resources/templates/list': { ttlMs: 0, cacheScope: 'private' },
        'resources/read': { ttlMs: 0, cacheScope: 'private' },
      },
      requestState: { verify: states.verify },
    },
  );
  const offered = tools(announce);
  server.setRequestHandler('tools/list', () => ({
    tools: Object.entries(offered).map(([name, { definition }]) => ({
      name,
      inputSchema: { type: 'object' as const },
      ...definition,
    })),
  }));
  server.setRequestHandler('tools/call', async ({ params }, context) => {
    const found = Object.hasOwn(offered, params.name) ? offered[params.name] : undefined;
    if (found === undefined) throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Unknown tool: ${params.name}`);
    return found.run({ input: params.arguments ?? {}, answers: context.mcpReq.inputResponses ?? {} }, context);
  });
  server.setRequestHandler('resources/list', () => ({ resources: [...resources] }));
  server.setRequestHandler('resources/templates/list', () => ({ resourceTemplates: [...resourceTemplates] }));
  server.setRequestHandler('resources/read', ({ params: { uri } }) => {
    const contents = readResource(uri);
    if (contents === undefined) throw new ResourceNotFoundError(uri);
    return { contents: [contents] };
  });
  server.setRequestHandler('resources/subscribe', () => ({}));
  server.setRequestHandler('resources/unsubscribe', () => ({}));
  server.setRequestHandler('prompts/list', () => ({
    prompts: Object.entries(prompts).map(([name, { run: _, ...definition }]) => ({ name, ...definition })),
  }));
  server.setRequestHandler('prompts/get', async ({ params }, context) => {
    const prompt = Object.hasOwn(prompts, params.name) ? prompts[params.name] : undefined;
    if (prompt === undefined)
      throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Unknown prompt: ${params.name}`);
    return prompt.run(params.arguments ?? {}, context.mcpReq.inputResponses ?? {});
  });
  server.setRequestHandler('completion/complete', ({ params }) => ({
    completion: { values: ['paris', 'park', 'party'].filter((word) => word.startsWith(params.argument.value)) },
  }));
  return server;
}

function tools(announce: Announce): Record<string, Offered> {
  return {
    test_simple_text: {
      definition: { description: 'Text' },
      run: () => text('This is a simple text response for testing.'),
    },
    test_image_content: { definition: { description: 'An image' }, run: () => ({ content: [image] }) },
    test_audio_content: { definition: { description: 'Audio' }, run: () => ({ content: [audio] }) },
    test_embedded_resource: {
      definition: { description: 'An embedded resource' },
      run: () => ({
        content: [embedded('test://embedded-resource', 'text/plain', 'This is an embedded resource content.')],
      }),
    },
    test_multiple_content_types: {
      definition: { description: 'Content of several types' },
      run: () => ({
        content: [
          { type: 'text', text: 'Multiple content types test:' },
          image,
          embedded('test://mixed-content-resource', 'application/json', JSON.stringify({ test: 'data', value: 123 })),
        ],
      }),
    },
    test_tool_with_logging: { definition: { description: 'Logs' }, run: logs },
    test_logging_tool: { definition: { description: 'Logs' }, run: logs },
    test_tool_with_progress: { definition: { description: 'Tells how far it is' }, run: progresses },
    test_error_handling: {
      definition: { description: 'Fails' },
      run: () => ({ ...text('This tool intentionally returns an error for testing'), isError: true }),
    },
    test_reconnection: {
      definition: { description: 'Ends its stream before it answers' },
      run: async (_asked, { http }) => {
        http?.closeSSE?.();
        await sleep(100);
        return text('Reconnection test completed successfully.');
      },
    },
    test_missing_capability: {
      definition: { description: 'Needs sampling' },
      run: (_asked, context) => {
        const declared = capabilitiesOf(context);
        if (declared !== undefined && declared.sampling === undefined)
          throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { sampling: {} } });
        return text('sampling is there');
      },
    },
    test_trigger_tool_change: {
      definition: { description: 'Says that the tools changed' },
      run: () => (announce.tools(), text('said')),
    },
    test_trigger_prompt_change: {
      definition: { description: 'Says that the prompts changed' },
      run: () => (announce.prompts(), text('said')),
    },
    json_schema_2020_12_tool: {
      definition: { description: 'Has a schema of JSON Schema 2020-12', inputSchema: schema202012 },
      run: ({ input }) => text(JSON.stringify(input)),
    },
    test_custom_headers: {
      definition: { description: 'Has arguments that stand in headers too', inputSchema: headerSchema },
      run: ({ input }) => text(JSON.stringify(input)),
    },
    ...asking,
  };
}

const schema202012 = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object' as const,
  $defs: {
    address: {
      $anchor: 'addressDef',
      type: 'object',
      properties: { street: { type: 'string' }, city: { type: 'string' } },
    },
  },
  properties: {
    name: { type: 'string' },
    address: { $ref: '#/$defs/address' },
    contactMethod: { type: 'string', enum: ['phone', 'email'] },
    phone: { type: 'string' },
    email: { type: 'string' },
  },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
  then: { required: ['phone'] },
  else: { required: ['email'] },
  additionalProperties: false,
};

const headerSchema = {
  type: 'object' as const,
  properties: { region: { type: 'string', 'x-mcp-header': 'Region' }, query: { type: 'string' } },
};

async function logs(_asked: Asked, { mcpReq }: ServerContext): Promise<CallToolResult> {
  for (const said of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
    await mcpReq.log('info', said);
    await sleep(50);
  }
  return text('Tool with logging executed successfully');
}

async function progresses(_asked: Asked, { mcpReq }: ServerContext): Promise<CallToolResult> {
  const progressToken = mcpReq._meta?.progressToken;
  for (const progress of [0, 50, 100]) {
    if (progressToken !== undefined)
      await mcpReq.notify({
        method: 'notifications/progress',
        params: { progressToken, progress, total: 100, message: `Completed step ${progress} of 100` },
      });
    await sleep(50);
  }
  return text(String(progressToken));
}
