import { randomUUID } from 'node:crypto';
import { routes } from '../api/routes.js';
import type { Call } from '../command/call.js';
import { jsonOf } from '../command/input.js';
import { exit } from '../failure/exit-code.js';

/** One call waits for an answer at most so long. */
const waitSeconds = 30;

async function dataOf(data: string | undefined) {
  return data === undefined ? {} : { jsonData: (await jsonOf(data, '--data')) as never };
}

/** `writ run query` */
export async function query(
  call: Call,
  id: string,
  name: string,
  { data }: { data?: string | undefined },
): Promise<void> {
  const body = await (await call.api()).call(routes.queryRun, { id, query: name, ...(await dataOf(data)) });
  call.out.document(call.out.machine ? body : (body.jsonAnswer ?? null));
}

/** `writ run update`: asks again under the same key until it is done. */
export async function update(
  call: Call,
  id: string,
  name: string,
  { data, idempotencyKey = randomUUID() }: { data?: string | undefined; idempotencyKey?: string | undefined },
): Promise<number> {
  const api = await call.api();
  const request = { id, update: name, idempotencyKey, wait: `${waitSeconds}s`, ...(await dataOf(data)) };
  for (;;) {
    const body = await api.call(routes.updateRun, request, { timeoutMs: 2 * waitSeconds * 1000 });
    if (!body.done) {
      call.out.say(`accepted, and not done yet; ask again with --idempotency-key ${idempotencyKey}`);
      continue;
    }
    if (call.out.machine || !body.error) call.out.document(call.out.machine ? body : (body.jsonAnswer ?? null));
    if (!body.error) return exit.ok;
    call.out.say(`'${name}' was accepted and failed: ${body.error.message} (${body.error.code})`);
    return exit.endedBadly;
  }
}
