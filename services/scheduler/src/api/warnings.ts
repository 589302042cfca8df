import type { Demand } from '../partition/dispatcher.js';
import { actorsOf, codeOf } from '../run/run-record.js';
import type { StartRequest } from '../run/start-request.js';
import { nobodyServes } from '../why/reasons.js';

export interface Warning {
  code: string;
  text: string;
}

interface Workers {
  /** Whether any stream, here or elsewhere, serves such runs. */
  isOffered(demand: Demand): Promise<boolean>;
}

/** A replica that does not answer at once is not waited for: then there is no warning. */
const patienceMs = 100;
const none = (): Warning[] => [];

/**
 * What whoever starts runs should hear at once, asked while they are started: nobody serves the workflow, most often since its name is
 * misspelt or the worker is somebody else's. Workers may come later, so it is no refusal.
 *
 * @returns the warnings of one of the requests; each is told once
 */
export async function warningsOf(
  requests: readonly StartRequest[],
  workers: Workers,
): Promise<(request: StartRequest) => Warning[]> {
  const demands = new Map<string, Demand>();
  const now = Date.now();
  for (const request of requests)
    if ((request.notBeforeMs ?? 0) <= now) {
      const key = keyOf(request);
      if (!demands.has(key)) demands.set(key, demandOf(request));
    }
  const warnings = new Map<string, Warning>();
  const asked = Array.from(demands, async ([key, demand]) => {
    if (!(await workers.isOffered(demand).catch(() => true)))
      warnings.set(key, { code: 'no_worker', text: nobodyServes(demand) });
  });
  const { promise: enough, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, patienceMs).unref();
  await Promise.race([Promise.all(asked), enough]);
  clearTimeout(timer);
  if (warnings.size === 0) return none;
  return (request) => {
    const key = keyOf(request);
    const warning = warnings.get(key);
    warnings.delete(key);
    return warning ? [warning] : [];
  };
}

function keyOf({ workflow, queue, version, pinned, agent, onBehalfOf }: StartRequest): string {
  return `${workflow}\n${queue}\n${pinned ? version : ''}\n${agent}\n${onBehalfOf?.join() ?? ''}`;
}

function demandOf(request: StartRequest): Demand {
  const { tenant, queue, workflow, version, pinned } = request;
  return { tenant, queue, workflow: codeOf(workflow, pinned ? version : undefined), principals: actorsOf(request) };
}
