import type { Host, HostSpec } from '@writ/ledger';
import type { Metrics } from './metrics.js';

/** What each of these events says of an action that an agent asked for. */
const decisions: Readonly<Record<string, string>> = {
  'action.intended.v1': 'allow',
  'action.asked.v1': 'ask',
  'action.refused.v1': 'deny',
};

/** Counts what the service's own partitions commit, and how often another owner was there first. */
export function countCommits(spec: Omit<HostSpec, 'service'>, metrics: Metrics): Omit<HostSpec, 'service'> {
  const commits = metrics.counter('writ_ledger_commits_total', 'Commits that this process has made.');
  const events = metrics.counter('writ_ledger_events_total', 'Events in them, by type.', ['type']);
  const decided = metrics.counter(
    'writ_decisions_total',
    'Recorded decisions on what agents want to do: allow, ask (a person is asked) or deny.',
    ['outcome'],
  );
  const fenced = metrics.counter(
    'writ_ledger_fence_conflicts_total',
    'How often this process was deposed: another owner had written, and its own commit was refused.',
  );
  for (const outcome of Object.values(decisions)) decided.inc({ outcome }, 0);
  return {
    ...spec,
    onCommit(commit) {
      commits.inc();
      // Once for a type, not for each event: finding a counter by its labels costs more than all else here.
      const counts = new Map<string, number>();
      for (const { type } of commit.events) counts.set(type, (counts.get(type) ?? 0) + 1);
      for (const [type, count] of counts) {
        events.inc({ type }, count);
        const outcome = decisions[type];
        if (outcome !== undefined) decided.inc({ outcome }, count);
      }
      spec.onCommit?.(commit);
    },
    onLost(partition, why) {
      if (why === 'deposed') fenced.inc();
      spec.onLost?.(partition, why);
    },
  };
}

/** Ownership, and how far views and reactors are behind, as of each scrape. */
export function watchHost(host: Host, metrics: Metrics): void {
  metrics.gauges('writ_ledger_partitions', 'Partitions of the service as this process sees them.', ['state'], () => {
    const states = new Map<string, number>();
    for (const { state } of host.health().partitions) states.set(state, (states.get(state) ?? 0) + 1);
    return [...states].map(([state, count]) => [{ state }, count]);
  });
  metrics.gauges(
    'writ_ledger_partition_commit',
    'Last commit of a partition that this process owns.',
    ['partition'],
    () =>
      host
        .health()
        .partitions.filter(({ state }) => state === 'owned')
        .map(({ partition, commit }) => [{ partition: String(partition) }, commit ?? 0]),
  );
  const labels = ['kind', 'name', 'partition'] as const;
  metrics.gauges(
    'writ_ledger_consumer_lag_commits',
    'Commits that a projection or reactor is behind; of a reactor, what is still to be done.',
    labels,
    () => consumers(host).map(({ labels, lag }) => [labels, lag]),
  );
  metrics.gauges(
    'writ_ledger_consumer_parked',
    '1 where a projection stands still, or a reactor has set events aside or repeats one that fails.',
    labels,
    () => consumers(host).map(({ labels, parked }) => [labels, Number(parked !== undefined)]),
  );
}

function consumers(host: Host) {
  const health = host.health();
  return (['projections', 'reactors'] as const).flatMap((kind) =>
    health[kind].map(({ name, partition, lag, parked }) => ({
      labels: { kind: kind.slice(0, -1), name, partition: String(partition) },
      lag,
      parked,
    })),
  );
}
