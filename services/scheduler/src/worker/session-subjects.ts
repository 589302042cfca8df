import type { Demand } from '../partition/dispatcher.js';

const part = (text: string) => Buffer.from(text).toString('base64url') || '-';
const whole = (token: string) => (token === '-' ? '' : Buffer.from(token, 'base64url').toString());

/** `<tenant>.<queue>.<workflow>`, each in base64url, since a name may hold what a NATS subject may not. */
export function demandTokens({ tenant, queue, workflow }: Demand): string {
  return `${part(tenant)}.${part(queue)}.${part(workflow)}`;
}

/** Reads {@link demandTokens} back, from the end of a subject. */
export function demandOf(subject: string): Demand {
  const [tenant = '', queue = '', workflow = ''] = subject.split('.').slice(-3).map(whole);
  return { tenant, queue, workflow };
}

/** Asks for slots; answered by one replica that has workers for the demand. */
export const dispatchSubject = (demand: Demand) => `dispatch.${demandTokens(demand)}`;
/** Asks for a strict replay; answered likewise. */
export const replaySubject = (demand: Demand) => `replay.${demandTokens(demand)}`;
/** Tells every replica that a worker has room. */
export const availableSubject = (demand: Demand) => `worker.available.${demandTokens(demand)}`;
/** Tasks for one stream. */
export const sessionSubject = (session: string) => `worker.session.${session}`;
/** Tells every replica that a stream has ended; the body is its id. */
export const goneSubject = 'worker.gone';
/** Tells every replica that a partition has a new owner; the body is `<partition>.<epoch>`. */
export const claimedSubject = 'scheduler.claimed';
/** Questions to the owner of a partition that are no commands. */
export const controlSubject = (partition: number) => `scheduler.control.${partition}`;
