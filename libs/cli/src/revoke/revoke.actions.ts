import type { Answer } from '../api/route.js';
import { routes } from '../api/routes.js';
import type { Call } from '../command/call.js';
import { confirm } from '../prompt/confirm.js';

type Revoked = Answer<typeof routes.revoke>;

const reach = ({ grants, runs }: Revoked): string =>
  `${grants} grant${grants === 1 ? '' : 's'}${runs.length > 0 ? `, runs ${runs.join(', ')}` : ''}`;

export async function revokeAuthority(
  call: Call,
  subject: string,
  { reason, dryRun }: { reason: string; dryRun: boolean },
): Promise<void> {
  const api = await call.api();
  if (dryRun || call.globals.mayAsk) {
    const would = await api.call(routes.revoke, { subject, reason, validateOnly: true });
    if (dryRun) return call.out.receipt(would, would.runs.join('\n'), `would stop ${reach(would)}`);
    call.out.say(`revoking ${subject} stops ${reach(would)}`);
  }
  await confirm(call, `Revoke ${subject} for good?`);
  const body = await api.call(routes.revoke, { subject, reason });
  call.out.receipt(body, body.eventId, `revoked ${subject}: stopped ${reach(body)}; epoch ${body.epoch}`);
}
