import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { projectRoot } from '@writ/testkit';
import { format, resolveConfig } from 'prettier';
import { defineBench, type Measurement } from './bench.js';
import { checkAuthorizationServer } from './mcp-conformance/authorization.js';
import { runSuite, suites, type Scenario } from './mcp-conformance/suite.js';
import { authorizationTable, compare, table, totalOf, type Comparison, type Line } from './mcp-conformance/tables.js';
import { TokenProxy } from './mcp-conformance/token-proxy.js';
import { startProgram, startToolGateway } from './tool-gateway.js';

interface Prepared extends AsyncDisposable {
  /** Where the suite finds the reference server, the gateway in front of it, and nobody. */
  readonly alone: string;
  readonly behind: string;
  readonly dead: string;
}

interface Compared {
  readonly comparison: Comparison;
  readonly lines: readonly Line[];
}

const DOCUMENT = 'infra/design/mcp-conformance.md';
let last: { compared: readonly Compared[]; authorization: readonly Scenario[] } = { compared: [], authorization: [] };

export const bench = defineBench<Prepared>({
  name: 'mcp-conformance',
  about: 'what the MCP conformance suite says of a reference server, and of the same server behind the tool gateway',
  doesNotMeasure: ['anything in time: these are counts of checks', 'the client scenarios of the suite'],
  prepare,
  async run({ durability }, targets): Promise<Measurement[]> {
    const compared: Compared[] = [];
    const figures: Measurement[] = [];
    for (const suite of suites) {
      const against = (url: string) => runSuite(suite, ['--url', url]);
      const comparison: Comparison = {
        suite,
        alone: await against(targets.alone),
        behind: await against(targets.behind),
        dead: await against(targets.dead),
      };
      const lines = compare(comparison);
      compared.push({ comparison, lines });
      for (const { name, lost } of lines)
        for (const { id, why } of lost) console.log(`  ${suite.version} ${name}: ${id}: ${why.slice(0, 300)}`);
      for (const place of ['alone', 'behind'] as const) {
        const { passed, failed } = totalOf(lines, place);
        figures.push({ name: `${place}Passed ${suite.version}`, value: passed, unit: 'checks' });
        figures.push({ name: `${place}Failed ${suite.version}`, value: failed, unit: 'checks' });
      }
    }
    const authorization = await checkAuthorizationServer(durability);
    for (const { name, failed } of authorization)
      for (const { id, why } of failed) console.log(`  ${name}: ${id}: ${why.slice(0, 300)}`);
    const sum = (of: 'passed' | 'failed') => authorization.reduce((total, scenario) => total + scenario[of].length, 0);
    figures.push({ name: 'authorizationServerPassed', value: sum('passed'), unit: 'checks' });
    figures.push({ name: 'authorizationServerFailed', value: sum('failed'), unit: 'checks' });
    last = { compared, authorization };
    return figures;
  },
  document: async () => {
    const head = [
      '# MCP conformance',
      '',
      'Written by `npm run bench -- mcp-conformance --runs 1 --write`; do not edit. The reference server is',
      '`e2e/bench/mcp-conformance/reference-server.ts`, made with the official SDK and nothing of Writ. The gateway stands in front of',
      'it as it is deployed: each request carries a token, a policy permits, definitions are pinned and approved. The suite has no',
      'token, so a proxy puts it in and changes nothing else. What the gateway does not pass on, and why, is in',
      '[ADR 0015](../adr/0015-what-the-tool-gateway-passes-on.md).',
      '',
    ].join('\n');
    const tables = last.compared.map(({ comparison, lines }) => table(comparison, lines));
    const text = [head, ...tables, authorizationTable(last.authorization), WHICH].join('\n');
    const file = path.join(projectRoot, DOCUMENT);
    await writeFile(file, await format(text, { ...(await resolveConfig(file)), filepath: file }));
    return DOCUMENT;
  },
});

const WHICH = `Of the two scenarios the first applies: where the server is found and what it says of itself. The second sends a person to a
page to log in, with a client that has a shared secret or none. Writ issues tokens to agents and services that prove a key of their own
(\`private_key_jwt\`, RFC 7523) and by exchange (RFC 8693); nobody logs in there, so the suite itself leaves it out. Client ID Metadata
Documents are not offered for the same reason: a client is an agent that somebody registered.
`;

async function prepare({ durability }: { durability: 'fsync' | 'flush' }): Promise<Prepared> {
  const stack = new AsyncDisposableStack();
  try {
    const loader = path.join(projectRoot, 'infra/typescript.mjs');
    const program = path.join(import.meta.dirname, 'mcp-conformance/reference-server.ts');
    const reference = stack.use(await startProgram(['--import', loader, program]));
    const proxy = stack.use(await TokenProxy.start());
    const gateway = stack.use(
      await startToolGateway({
        durability,
        policies: '@id("all") permit(principal, action, resource in Writ::Server::"reference");',
        server: { name: 'reference', url: reference.url, mayAsk: ['elicitation', 'sampling', 'roots'] },
        env: { WRIT_PUBLIC_URL: proxy.url },
      }),
    );
    proxy.leadTo(gateway.url, await gateway.token());
    const nobody = await TokenProxy.start();
    const dead = `${nobody.url}/mcp`;
    await nobody[Symbol.asyncDispose]();
    const whole = stack.move();
    return {
      alone: reference.url,
      behind: `${proxy.url}/mcp/reference`,
      dead,
      [Symbol.asyncDispose]: () => whole.disposeAsync(),
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}
