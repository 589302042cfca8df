import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Ledger, type Logger } from '@writ/ledger';
import { streamName } from '@writ/ledger/domain';
import { judgeLog, SteadyLoad } from '@writ/ledger/testing';
import { startNatsCluster, type NatsCluster } from '@writ/servers';
import { eventually, startNetwork, startProcess, whyNoNetwork, type Network } from '@writ/testkit';
import { change } from '../bench/ledger-thing.js';
import { watchElections } from './elections.js';
import type { Fault, Report } from './fault.js';

const service = 'far';
const partitions = 3;
const copies = 3;
const perSecond = 2_000;
const mostGapMs = 10_000;
/** What may be ours of a gap: to find that a connection is dead, to connect elsewhere, and to ask once more. */
const mostOursMs = 2_000;
const streams = Array.from({ length: partitions }, (_, partition) => streamName(service, partition));

/** One way to lose a server for a while. */
interface Loss {
  what: string;
  lose(server: number): Promise<void>;
  mend(server: number): Promise<void>;
}

export const fault: Fault = {
  name: 'ledger-cluster',
  about: 'three nats-servers under 2,000 commands/s: each killed, paused and cut off in turn',

  async run(report) {
    const why = await whyNoNetwork();
    if (why === undefined) {
      await using network = await startNetwork(copies);
      await inTurn(report, network);
    } else {
      report.notRun('each server cut off from the others and from its clients', why);
      await inTurn(report, undefined);
    }
  },
};

async function inTurn(report: Report, network: Network | undefined): Promise<void> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'writ-fault-cluster-'));
  const places = network ? { places: network.hosts } : {};
  await using cluster = await startNatsCluster({ dataDir, size: copies, scratch: true, ...places });
  const own: string[] = [];
  const say = (fields: object, message: string): void => void own.push(`client: ${message} ${JSON.stringify(fields)}`);
  const log: Logger = { debug: () => undefined, info: say, warn: say, error: say };
  await using client = await Ledger.connect({ servers: cluster.url, streamReplicas: copies, log });
  const args = [cluster.url, service, String(partitions), String(copies)];
  await using first = startProcess('e2e/faults/ledger-replica.ts', { args });
  await first.line(/^ready/);
  await using second = startProcess('e2e/faults/ledger-replica.ts', { args });
  await second.line(/^ready/);
  report.tells(`durability ${cluster.durability}, ${partitions} partitions, two replicas that own them`);
  using load = new SteadyLoad(client.commands(service, { partitions }), {
    perSecond,
    make: (n) => change(n, 1_000),
  });
  const late: string[] = [];
  const heard = [own, first.lines, second.lines].map((lines) => ({ lines, told: lines.length }));
  for (const loss of lossesOf(cluster, network))
    for (let server = 0; server < copies; server++) {
      const gap = await once(cluster, load, loss, server);
      if (gap.late) late.push(gap.said);
      if (gap.late) report.tells(`✗ ${gap.said}`);
      else report.holds(gap.said);
      for (const replica of heard)
        for (; replica.told < replica.lines.length; replica.told++)
          if (gap.late) report.tells(`    ${replica.lines[replica.told]}`);
    }
  await load.stop();
  await judge(report, client, load);
  if (late.length > 0) throw new Error(`writes did not flow again in time: ${late.join('; ')}`);
}

function lossesOf(cluster: NatsCluster, network: Network | undefined): Loss[] {
  const { servers } = cluster;
  const losses: Loss[] = [
    { what: 'killed', lose: async (i) => servers[i]?.kill(), mend: async (i) => servers[i]?.restart() },
    { what: 'paused', lose: async (i) => servers[i]?.pause(), mend: async (i) => servers[i]?.resume() },
  ];
  const hosts = network?.hosts;
  if (hosts) losses.push({ what: 'cut off', lose: async (i) => hosts[i]?.cut(), mend: async (i) => hosts[i]?.heal() });
  return losses;
}

/** Late is what took longer than 10 s, and more than 2 s longer than the broker had no leader. */
async function once(cluster: NatsCluster, load: SteadyLoad, loss: Loss, server: number) {
  const begun = load.acknowledged.size;
  await eventually(() => load.acknowledged.size > begun + perSecond, { what: 'a second of load', timeoutMs: 60_000 });
  const elections = await watchElections(cluster.servers, server, streams);
  load.longestGapMs();
  await loss.lose(server);
  // Longer than an election: what is lost and what flows must show while it is away, not when it is back.
  await new Promise((resolve) => setTimeout(resolve, mostGapMs + 2_000));
  const away = load.longestGapMs();
  const elected = elections.longestMs();
  await loss.mend(server);
  await cluster.healthy(60_000);
  const back = load.longestGapMs();
  await elections.stop();
  const late = back > mostGapMs || away > Math.max(mostGapMs, elected + mostOursMs);
  const said = `server ${server + 1} ${loss.what}: longest gap ${Math.round(away)} ms, ${Math.round(elected)} without a leader of the broker's; ${Math.round(back)} ms when it came back`;
  return { said, late };
}

async function judge(report: Report, client: Ledger, load: SteadyLoad): Promise<void> {
  const { lost, twice, commits, events } = await judgeLog(client, service, partitions, load.acknowledged);
  const counts = `${load.acknowledged.size} acknowledged, ${events} events in ${commits} commits`;
  if (lost.length + twice.length + load.refused.length > 0)
    throw new Error(
      `${counts}: ${lost.length} lost, ${twice.length} twice, ${load.refused.length} refused: ${String(load.refused[0])}`,
    );
  report.holds(`${counts}: nothing lost, nothing twice, every chain whole`);
}
