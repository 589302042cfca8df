import type { ApiClient } from '../api/client.js';
import type { Answer } from '../api/route.js';
import { routes } from '../api/routes.js';
import type { Call } from '../command/call.js';
import { confirm } from '../prompt/confirm.js';

type Revoked = Answer<typeof routes.revoke>;

const reach = ({ grants, runs }: Revoked): string =>
  `${grants} grant${grants === 1 ? '' : 's'}${runs.length > 0 ? `, runs ${runs.join(', ')}` : ''}`;

/** Runs of an agent. One that has not acted yet has no grant, and identity does not know of it; it is stopped all the same. */
async function underWay(api: ApiClient, subject: string): Promise<string[]> {
  if (!subject.startsWith('agt_')) return [];
  const lists = ['queued', 'running', 'waiting'].map((state) =>
    api.call(routes.listRuns, { filter: `agent = "${subject}" AND state = "${state}"`, pageSize: 1000 }),
  );
  return Promise.all(lists).then(
    (all) => all.flatMap(({ runs }) => runs.map(({ id }) => id)),
    () => [], // who may revoke may perhaps not list runs
  );
}

export async function revokeAuthority(
  call: Call,
  subject: string,
  { reason, dryRun }: { reason: string; dryRun: boolean },
): Promise<void> {
  const api = await call.api();
  if (dryRun || call.globals.mayAsk) {
    const granted = await api.call(routes.revoke, { subject, reason, validateOnly: true });
    const would = { ...granted, runs: [...new Set([...granted.runs, ...(await underWay(api, subject))])] };
    if (dryRun) return call.out.receipt(would, would.runs.join('\n'), `would stop ${reach(would)}`);
    call.out.say(`revoking ${subject} stops ${reach(would)}`);
  }
  await confirm(call, `Revoke ${subject} for good?`);
  const body = await api.call(routes.revoke, { subject, reason });
  call.out.receipt(body, body.eventId, `revoked ${subject}: stopped ${reach(body)}; epoch ${body.epoch}`);
}
