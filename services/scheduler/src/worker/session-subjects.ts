import type { Offered } from '../partition/dispatcher.js';

const part = (text: string) => Buffer.from(text).toString('base64url') || '-';
const whole = (token: string) => (token === '-' ? '' : Buffer.from(token, 'base64url').toString());

/** `<tenant>.<queue>.<workflow>.<principal>`, each in base64url, since a name may hold what a NATS subject may not. */
export function offerTokens({ tenant, queue, workflow, principal }: Offered): string {
  return [tenant, queue, workflow, principal].map(part).join('.');
}

/** Reads {@link offerTokens} back, from the end of a subject. */
export function offeredIn(subject: string): Offered {
  const [tenant = '', queue = '', workflow = '', principal = ''] = subject.split('.').slice(-4).map(whole);
  return { tenant, queue, workflow, principal };
}

/** Asks for slots; answered by one replica that has workers with this offer. */
export const dispatchSubject = (offered: Offered) => `dispatch.${offerTokens(offered)}`;
/** Asks for a strict replay; answered likewise. */
export const replaySubject = (offered: Offered) => `replay.${offerTokens(offered)}`;
/** Tells every replica that a worker has room. */
export const availableSubject = (offered: Offered) => `worker.available.${offerTokens(offered)}`;
/** Tasks for one stream. */
export const sessionSubject = (session: string) => `worker.session.${session}`;
/** A question to a run that the worker of a stream has. */
export const consultSubject = (session: string) => `worker.consult.${session}`;
/** Tells every replica that a stream has ended; the body is its id. */
export const goneSubject = 'worker.gone';
/** Tells every replica that a partition has a new owner; the body is `<partition>.<epoch>`. */
export const claimedSubject = 'scheduler.claimed';
/** Questions to the owner of a partition that are no commands. */
export const controlSubject = (partition: number) => `scheduler.control.${partition}`;
