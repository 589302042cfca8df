import { InMemoryTransport } from '@modelcontextprotocol/client';
import { Server } from '@modelcontextprotocol/server';
import { FakeServer } from './fake-upstream.js';
import { McpUpstream } from './mcp-upstream.js';
import { upstreamContract, type ServerUnderTest } from './upstream.contract.js';

type Offered = Parameters<ServerUnderTest['offer']>[0];

/** What a tool of the contract does. */
function perform(name: string): string | Promise<string> {
  if (name === 'fails') throw new Error('it failed');
  return name === 'hangs' ? new Promise<string>(() => undefined) : name;
}

upstreamContract('the fake', () => {
  const fake = new FakeServer();
  return Promise.resolve({
    connect: (onListChanged) =>
      fake.connect({ tenant: 'tnt_1', server: 'x', spec: { kind: 'http', url: 'http://x' } }, onListChanged),
    offer: (tools) => tools.forEach(({ name, description }) => fake.offer(name, () => perform(name), description)),
    die: () => fake.die(),
    [Symbol.asyncDispose]: () => Promise.resolve(fake.die()),
  });
});

upstreamContract('an MCP server', () => {
  let tools: Offered = [];
  const servers: Server[] = [];
  const connect = async (onListChanged: () => void) => {
    const server = new Server({ name: 'example', version: '1' }, { capabilities: { tools: { listChanged: true } } });
    server.setRequestHandler('tools/list', () => ({
      tools: tools.map((tool) => ({ ...tool, inputSchema: { type: 'object' as const } })),
    }));
    server.setRequestHandler('tools/call', async ({ params: { name } }) => {
      if (!tools.some((tool) => tool.name === name)) throw new Error(`there is no tool ${name}`);
      try {
        return { content: [{ type: 'text', text: await perform(name) }] };
      } catch (error) {
        return { content: [{ type: 'text', text: (error as Error).message }], isError: true };
      }
    });
    const [mine, theirs] = InMemoryTransport.createLinkedPair();
    await server.connect(theirs);
    servers.push(server);
    return McpUpstream.connect(mine, onListChanged);
  };
  const die = async (): Promise<void> => {
    await Promise.all(servers.splice(0).map((server) => server.close()));
  };
  return Promise.resolve({
    connect,
    offer: (offered) => {
      tools = offered;
      for (const server of servers) void server.sendToolListChanged();
    },
    die,
    [Symbol.asyncDispose]: die,
  });
});
