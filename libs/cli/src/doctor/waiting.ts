import type { ApiClient } from '../api/client.js';
import { routes } from '../api/routes.js';
import { ago } from '../output/text.js';
import { note, ok, problem, type Finding } from './check.js';

/** An approval that waits longer than this, or ends sooner than this, is one that nobody looks at. */
const LONG_MS = 3_600_000;

/** What waits for a person. Who may not see it, or is in no project, is not told about it. */
export async function checkWaiting(api: ApiClient): Promise<Finding[]> {
  return (await Promise.all([approvals(api), tools(api)])).flat();
}

async function approvals(api: ApiClient): Promise<Finding[]> {
  const name = 'approvals';
  const answer = await api.call(routes.listApprovals, { pageSize: 1000 }).catch(() => undefined);
  if (!answer) return [];
  const now = Date.now();
  const late = answer.approvals.filter(
    ({ createTime, expireTime }) =>
      now - Date.parse(createTime ?? '') > LONG_MS || Date.parse(expireTime ?? '') - now < LONG_MS,
  );
  const [oldest] = late.toSorted((a, b) => (a.createTime ?? '').localeCompare(b.createTime ?? ''));
  if (!oldest)
    return [ok(name, answer.approvals.length === 0 ? 'none waits' : `${answer.approvals.length} wait, none for long`)];
  const which = `'${oldest.title}' of ${oldest.agent} since ${ago(oldest.createTime ?? '')}`;
  return [problem(name, `nobody answers ${late.length}, the oldest ${which}`, `writ approval get ${oldest.id}`)];
}

/** Of a tool whose definition is new or changed, agents are served the approved copy, or nothing. */
async function tools(api: ApiClient): Promise<Finding[]> {
  const answer = await api.call(routes.listTools, {}).catch(() => undefined);
  if (!answer) return [];
  const waiting = answer.tools.filter(({ state }) => state === 'new' || state === 'changed');
  if (waiting.length === 0) return [ok('tools', `${answer.tools.length} pinned, none waits`)];
  return waiting.map(({ name, state }) =>
    state === 'changed'
      ? problem(
          'tools',
          `the definition of ${name} is another one than was approved`,
          `writ tool list --json, compare, then approve ${name} or remove its server`,
        )
      : note(
          'tools',
          `${name} is new, and no agent sees it`,
          `approve it by its hash, if you want it: writ tool list --json`,
        ),
  );
}
