import type { ApiClient } from '../api/client.js';
import { routes } from '../api/routes.js';
import type { Call } from '../command/call.js';
import type { Settings } from '../config/settings.js';
import { problemOf } from '../failure/refused.js';
import { note, ok, problem, type Finding } from './check.js';
import { checkServices } from './services.js';
import { checkWaiting } from './waiting.js';

const maxSkewMs = 30_000;

/** The Writ that the settings name: is it there, well, at the same time, and does it know us. */
export async function checkPlace(call: Call): Promise<Finding[]> {
  const settings = await call.settings();
  const { url } = settings;
  const api = await call.api();
  const said = await clock(api);
  if (said === undefined) {
    const where = `nothing answers at ${url.value} (from ${url.source})`;
    const fix = api.options.unreachableHint;
    return [url.source === 'default' ? note('writ', where, fix) : problem('writ', where, fix)];
  }
  const there = ok('writ', `${url.value} (from ${url.source})`);
  return [there, said, ...(await checkServices(api)), ...(await identity(api, settings)), ...(await checkWaiting(api))];
}

/** Tokens and assertions are refused where clocks differ. Undefined where there is no Writ. */
async function clock(api: ApiClient): Promise<Finding | undefined> {
  const asked = Date.now();
  const date = await api.beginnings().then(
    async () => (await api.fetch('/.well-known/writ')).headers.get('date'),
    () => undefined,
  );
  if (date === undefined) return undefined;
  const skewMs =
    date === null ? 0 : Math.max(0, Math.abs(Date.now() - Date.parse(date)) - (Date.now() - asked) - 1_000);
  if (skewMs < maxSkewMs) return ok('clock', `at most ${Math.ceil(skewMs / 1000)} s apart`);
  return problem('clock', `${Math.round(skewMs / 1000)} s apart: tokens are refused`, 'synchronise the clocks (NTP)');
}

async function identity(api: ApiClient, { token, keyFile, project }: Settings): Promise<Finding[]> {
  const source = token
    ? `token from ${token.source}`
    : `key ${keyFile?.value ?? 'none'} from ${keyFile?.source ?? 'nowhere'}`;
  try {
    await api.options.token();
  } catch (error) {
    const { code, detail, hint } = problemOf(error);
    if (code === 'auth.missing_token') return [note('token', detail, hint)];
    return [
      problem('token', `${detail} (${code}; ${source})`, hint ?? 'is the key registered there, and not revoked?'),
    ];
  }
  try {
    const { principal, kind, tenant } = await api.call(routes.whoAmI, {});
    const who = `${principal} (${kind}) in ${tenant}`;
    if (kind === 'operator' && !project)
      return [note('token', `${who}; ${source}`, 'operators name a project: --project, or WRIT_PROJECT')];
    return [ok('token', `${who}; ${source}`)];
  } catch (error) {
    const { code, detail, hint } = problemOf(error);
    if (code === 'auth.missing_capability') return [ok('token', source)];
    return [problem('token', `${detail} (${code}; ${source})`, hint ?? 'writ status')];
  }
}
