import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { projectRoot } from '@writ/testkit';
import { format, resolveConfig } from 'prettier';
import { defineBench, type Measurement } from './bench.js';
import { runSuite, suiteVersion, type Scenario } from './durable-streams/suite.js';
import { TokenProxy } from './mcp-conformance/token-proxy.js';
import { startWorld } from './workflows/world.js';

interface Found {
  readonly version: string;
  readonly writ: readonly Scenario[];
  readonly dead: readonly Scenario[];
}

const DOCUMENT = 'infra/design/durable-streams.md';
let last: Found | undefined;

/** What is not as the suite wants it, and why that is so. */
const known: Readonly<Record<string, string>> = {
  'Caching and ETag › should allow If-None-Match in CORS preflight responses':
    'Pages of other origins may not call Writ at all: the gateway refuses them (`request.wrong_origin`), preflights too.',
};

export const bench = defineBench({
  name: 'durable-streams-conformance',
  about: 'what the public conformance suite of Durable Streams says of /v1/stream, through the gateway, and of nobody',
  doesNotMeasure: [
    'anything in time: these are counts of scenarios',
    'subscriptions (webhooks), an option of the suite',
  ],
  async run({ durability }): Promise<Measurement[]> {
    await using world = await startWorld(durability);
    await using proxy = await TokenProxy.start();
    proxy.leadTo(world.stack.url, await world.person.accessToken());
    const writ = await runSuite(proxy.url, 'writ');
    const nobody = await TokenProxy.start();
    const { url } = nobody;
    await nobody[Symbol.asyncDispose]();
    last = { version: await suiteVersion(), writ, dead: await runSuite(url, 'nobody') };
    for (const { name, outcome, why } of writ) if (outcome === 'failed') console.log(`  ${name}: ${why.slice(0, 300)}`);
    const count = (of: readonly Scenario[], outcome: Scenario['outcome']) =>
      of.filter((scenario) => scenario.outcome === outcome).length;
    const unknown = writ.filter(({ name, outcome }) => outcome === 'failed' && known[name] === undefined);
    return [
      { name: 'passed', value: count(writ, 'passed'), unit: 'scenarios' },
      { name: 'failed', value: count(writ, 'failed'), unit: 'scenarios' },
      { name: 'failedUnexplained', value: unknown.length, unit: 'scenarios' },
      { name: 'leftOut', value: count(writ, 'left out'), unit: 'scenarios' },
      { name: 'deadPassed', value: count(last.dead, 'passed'), unit: 'scenarios' },
    ];
  },
  targets: { failedUnexplained: { atMost: 0 }, deadPassed: { atMost: 0 } },
  document: async () => {
    const file = path.join(projectRoot, DOCUMENT);
    const text = documentOf(last as Found);
    await writeFile(file, await format(text, { ...(await resolveConfig(file)), filepath: file }));
    return DOCUMENT;
  },
});

function documentOf({ version, writ, dead }: Found): string {
  const groups = Map.groupBy(writ, ({ name }) => name.split(' › ')[0] ?? '');
  const passed = (of: readonly Scenario[]) => of.filter(({ outcome }) => outcome === 'passed').length;
  const rows = [...groups].map(([group, of]) => `| ${group} | ${passed(of)} of ${of.length} |`);
  const failed = writ.filter(({ outcome }) => outcome === 'failed');
  const left = writ.filter(({ outcome }) => outcome === 'left out');
  return [
    '# Durable Streams conformance',
    '',
    'Written by `npm run bench -- durable-streams-conformance --runs 1 --write`; do not edit. The suite is',
    `\`@durable-streams/server-conformance-tests\` ${version}, as it is published. It speaks to \`/v1/stream\` through the gateway of a whole stack. It has no`,
    'token, so a proxy puts one in and changes nothing else.',
    '',
    `Passed: ${passed(writ)} of ${writ.length - left.length}. Against an address where nobody listens: ${passed(dead)} of ${dead.length}.`,
    '',
    '| scenarios | passed |',
    '| --- | --- |',
    ...rows,
    '',
    '## Not passed',
    '',
    ...failed.map(({ name, why }) => `- **${name}**: ${known[name] ?? why}`),
    '',
    '## Not run',
    '',
    'An option of the suite that Writ does not offer, subscriptions by webhook and by lease:',
    '',
    ...left.map(({ name }) => `- ${name}`),
    '',
  ].join('\n');
}
