/** What remains of a run: its record, verified with a program that needs nothing of Writ; and the agent's end. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Cast } from './cast.js';
import { Problem } from './rest.js';
import { root } from './stack.js';

/** An event of the record, as the API gives it. */
export interface RecordedEvent {
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  readonly time: string;
  readonly data: Record<string, unknown>;
  readonly actor: { run: string };
  readonly position: string;
}

export interface Decided {
  readonly outcome: 'allow' | 'deny' | 'ask';
  readonly reasons: readonly { code: string; policy: string; text: string }[];
}

const RECORD_TIMEOUT_MS = 20_000;

/** Everything that the agent did up to the end of its run, oldest first. The record takes about a second to have it. */
export async function recordOf(cast: Cast, run: string): Promise<RecordedEvent[]> {
  for (const until = performance.now() + RECORD_TIMEOUT_MS; ; await delay(100)) {
    const events = await recordNow(cast);
    if (events.some((event) => event.subject === run && event.type === 'run.succeeded.v1')) return events;
    if (performance.now() > until)
      throw new Error(`the record does not have the end of ${run} after ${RECORD_TIMEOUT_MS} ms`);
  }
}

async function recordNow({ person, agent }: Cast): Promise<RecordedEvent[]> {
  const events: RecordedEvent[] = [];
  let pageToken = '';
  do {
    const query = new URLSearchParams({
      agent: agent.key.client_id,
      ascending: 'true',
      page_size: '1000',
      page_token: pageToken,
    });
    const page = await person.get<{ events: { event: RecordedEvent }[]; nextPageToken: string }>(
      `/v1/audit/events?${query}`,
    );
    events.push(...page.events.map(({ event }) => event));
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  return events;
}

/** The decision that an event carries, if it does. */
export function decisionOf(event: RecordedEvent): Decided | undefined {
  return event.data['decision'] as Decided | undefined;
}

/** Exports the agent's record with its proofs and lets the offline verifier check it against the signed checkpoint. */
export async function verifyOffline({ person, agent }: Cast, folder: string, after: string) {
  const query = new URLSearchParams({ agent: agent.key.client_id, after });
  const { bundle } = await person.get<{ bundle: string }>(`/v1/audit/bundle?${query}`);
  const { verifierKey } = await person.get<{ verifierKey: string }>('/v1/audit/checkpoint');
  const file = path.join(folder, 'record.json');
  await writeFile(file, bundle);
  const verifier = path.join(root, 'services/audit/dist/verifier/writ-verify.mjs');
  const { stdout } = await promisify(execFile)(process.execPath, [verifier, file, '--key', verifierKey, '--json'], {
    env: {},
  });
  const { verified, treeSize, events } = JSON.parse(stdout) as { verified: boolean; treeSize: number; events: number };
  return { events, treeSize, checkpoint: (JSON.parse(bundle) as { checkpoint: string }).checkpoint, verified, file };
}

/** Takes the agent's authority away while it holds a valid token and calls without a pause. */
export async function revokeWhileCalling({ person, agent }: Cast, scope: string) {
  const url = `${agent.url}/v1/memory:search?${new URLSearchParams({ scope, query: 'finding', limit: '1' })}`;
  const headers = { authorization: `Bearer ${await agent.accessToken()}` };
  const call = async () => {
    const response = await fetch(url, { headers });
    const body = (await response.json()) as { code?: string };
    return { accepted: response.ok, code: body.code, sent: performance.now() };
  };
  if (!(await call()).accepted) throw new Error('the agent was refused before it was revoked');
  let acknowledged = Infinity;
  let acceptedAfter = 0;
  const refused = (async () => {
    for (;;) {
      const sent = performance.now();
      const { accepted, code } = await call();
      if (!accepted) return { at: performance.now(), code };
      if (sent > acknowledged) acceptedAfter++;
    }
  })();
  await person.post('/v1/revocations', { subject: agent.key.client_id, reason: 'the demo is over' });
  acknowledged = performance.now();
  const { at, code } = await refused;
  return { latencyMs: Math.max(0, Math.round((at - acknowledged) * 10) / 10), acceptedAfter, code };
}

/** Asks for a token again, which a revoked agent must not get. */
export async function tokenAfterRevocation({ agent }: Cast): Promise<string> {
  return agent
    .as(agent.key)
    .accessToken()
    .then(
      () => 'a token was given',
      (error: unknown) => (error instanceof Problem ? error.code : String(error)),
    );
}
