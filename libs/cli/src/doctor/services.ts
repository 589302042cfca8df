import type { ApiClient } from '../api/client.js';
import { problemOf } from '../failure/refused.js';
import { ageOf, healthOf, mixedCode, troubleOf, type ReplicaHealth } from '../status/health.js';
import { note, ok, problem, type Finding } from './check.js';

/** Commits that a view or reactor may be behind without anybody noticing. */
const LAG = 1_000;
/** Above 2 s everything is refused; half of it is worth a look. */
const STALE_MS = 1_000;

/** Every replica, and what stands still in it; one finding for each thing that is wrong, so that each has its remedy. */
export async function checkServices(api: ApiClient): Promise<Finding[]> {
  try {
    const all = await healthOf(api);
    if (all.length === 0) return [problem('services', 'none is announced', 'start them; `npm start` starts all')];
    return [...all.flatMap(oneService), ...together(all)];
  } catch (error) {
    return [problem('services', problemOf(error).detail, 'is the gateway of the same version?')];
  }
}

function oneService(health: ReplicaHealth): Finding[] {
  const name = `service ${health.service}`;
  const found = [...broken(name, health), ...behind(name, health), ...stale(name, health)];
  if (found.some(({ state }) => state === 'problem')) return found;
  if (!health.ready)
    return [...found, problem(name, troubleOf(health) || 'not ready', 'its log says more; wait, or restart it')];
  return [
    ok(name, [health.durability && `durability ${health.durability}`, ageOf(health)].filter(Boolean).join(', ')),
    ...found,
  ];
}

/** Partitions that nobody can own. */
function broken(name: string, { service, ownership }: ReplicaHealth): Finding[] {
  return (ownership?.partitions ?? [])
    .filter(({ state }) => state === 'failed')
    .map(({ partition, detail = 'no reason was given' }) =>
      /ChainBroken/.test(detail)
        ? problem(
            name,
            `the ledger of ${service}/${label(partition)} is damaged: ${detail.replace(/^ChainBroken: /, '')}`,
            'writ audit check, which names all that is wrong; then `writ restore` of the newest backup',
          )
        : problem(name, `${service}/${label(partition)} cannot be served: ${detail}`, 'its log says more; restart it'),
    );
}

function behind(name: string, { ownership }: ReplicaHealth): Finding[] {
  const views = (ownership?.projections ?? []).map((each) => ({ ...each, what: 'the view' }));
  const reactors = (ownership?.reactors ?? []).map((each) => ({ ...each, what: 'the reactor' }));
  return [...views, ...reactors].flatMap(({ what, name: which, partition, lag, parked }) => {
    const at = `${what} '${which}' on partition ${label(partition)}`;
    if (parked !== undefined)
      return [
        problem(name, `${at} stands still: ${parked}`, 'mend what it says, then restart the service: it tries again'),
      ];
    if (lag > LAG) return [note(name, `${at} is ${lag} commits behind`, 'wait; if it grows, look at PostgreSQL')];
    return [];
  });
}

function stale(name: string, { enforcement }: ReplicaHealth): Finding[] {
  const age = enforcement?.revocationAgeMs;
  if (typeof age !== 'number' || age < STALE_MS || enforcement?.ok === false) return [];
  return [
    note(
      name,
      `it last heard of revocations ${age} ms ago, and refuses everything from 2000 ms on`,
      'look at identity and the broker',
    ),
  ];
}

/** What only shows when all are looked at. */
function together(all: readonly ReplicaHealth[]): Finding[] {
  const durabilities = [...new Set(all.flatMap(({ durability }) => durability ?? []))];
  const audits = all.flatMap(({ integrity }) => integrity ?? []);
  return [
    ...(durabilities.includes('flush')
      ? [
          note(
            'durability',
            'flush: a power failure may lose what was acknowledged',
            'nats-server 2.10 or newer with sync_interval always: `npm run setup`',
          ),
        ]
      : []),
    ...(durabilities.length > 1
      ? [
          problem(
            'durability',
            `the services do not agree: ${durabilities.join(' and ')}`,
            'give all the same WRIT_DURABILITY and restart them',
          ),
        ]
      : []),
    ...mixedCode(all).map((text) =>
      problem('replicas', text, 'finish the roll-out: start all replicas of a service from one image'),
    ),
    ...audits.flatMap(({ problems, time }) =>
      problems.length === 0
        ? [ok('record', `compared with the whole ledger at ${time}`)]
        : problems.map((text) =>
            problem('record', text, 'keep the data folder as evidence; `writ audit check`; then `writ restore`'),
          ),
    ),
  ];
}

const label = (partition: number | undefined): string => String(partition ?? '?').padStart(2, '0');
