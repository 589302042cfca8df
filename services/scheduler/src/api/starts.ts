import { checkerOf, type Caller } from '@writ/api';
import { isRunId, principalOf } from '@writ/enforcement';
import type { Logger } from '@writ/ledger';
import { DomainError, newLanedId, refuse, type Json } from '@writ/ledger/domain';
import type { Timestamp } from '@bufbuild/protobuf/wkt';
import { StartRunRequestSchema, type FirstMessage, type StartRunRequest } from '@writ/proto/run/v1/run';
import { checkedAttributes } from '../run/attributes.js';
import type { Content } from '../run/run.events.js';
import type { Started } from '../run/run-starter.js';
import type { StartRequest } from '../run/start-request.js';
import { mostDepth } from '../run/budget.js';
import { spendsFrom, type RunFacts } from '../partition/control.js';
import type { Scheduler } from '../scheduler.js';
import { limitsOf } from './limits.js';
import { may } from './may.js';
import { readPayload } from './payload.js';
import { refuseUnknown } from './sends.js';
import type { Restarts } from './restarts.js';
import { problemOf } from './problem.js';
import { startAs } from './start-as.js';
import { warningsOf } from './warnings.js';

const check = checkerOf(StartRunRequestSchema);
/** Others get a turn after so many have been read. */
const readAtOnce = 250;

/** Starts that callers ask for: one, or many of which each is started or refused by itself. */
export class Starts {
  constructor(
    private readonly scheduler: Scheduler,
    private readonly log: Logger,
    private readonly restarts: Restarts,
  ) {}

  /** @throws DomainError */
  async one(request: StartRunRequest, caller: Caller) {
    const wanted = await this.read(request, caller);
    const warnings = warningsOf([wanted], this.scheduler.sessions);
    const started = await this.scheduler.starter.start(wanted);
    return { id: wanted.id, ...started, warnings: started.attached ? [] : (await warnings)(wanted) };
  }

  async many(requests: readonly StartRunRequest[], caller: Caller) {
    const read: PromiseSettledResult<StartRequest>[] = [];
    for (let from = 0; from < requests.length; from += readAtOnce) {
      if (from > 0) await this.scheduler.turns.next(caller.tenant);
      const some = requests.slice(from, from + readAtOnce);
      read.push(...(await Promise.allSettled(some.map((request) => this.read(request, caller, check)))));
    }
    const wanted = read.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    const warnings = warningsOf(wanted, this.scheduler.sessions);
    const started = (await this.scheduler.starter.startMany(wanted)).values();
    const warn = await warnings;
    return read.map((each) => {
      const outcome = each.status === 'fulfilled' ? (started.next().value as PromiseSettledResult<Started>) : each;
      if (outcome.status === 'rejected') return problem(outcome.reason, this.log);
      const request = (each as PromiseFulfilledResult<StartRequest>).value;
      const value = { id: request.id, ...(outcome.value as Started), warnings: warn(request) };
      return { outcome: { case: 'run' as const, value } };
    });
  }

  /** Reads a request, and asks whether it may be. @throws DomainError */
  private async read(request: StartRunRequest, caller: Caller, rules?: typeof check): Promise<StartRequest> {
    rules?.(request);
    const { workflow, id, version, startTime } = request;
    const queue = request.queue || 'default';
    if (request.pinned && version === '')
      throw refuse('run.bad_input', 'a run is pinned to a version of its workflow: give that, too');
    may(caller, 'run.start', workflow);
    if (id !== '' && !isRunId(id))
      throw refuse(
        'run.bad_input',
        `'${id}' cannot be the id of a run: letters, digits and . : - _ only, and no prefix of another kind (agt_, psn_, …)`,
      );
    const { tenant, actor, trace } = caller;
    const given = await readPayload(this.scheduler.values, tenant, request.input, request.jsonInput);
    const fork = request.fork && (await this.restarts.fork(request.fork, workflow, caller));
    const input = fork && given.value === undefined && !given.blob ? fork.input : given;
    const run = id || newLanedId('run');
    const as = startAs(request, caller);
    await this.permit(caller, run, { workflow, queue, input });
    const parent = as.parent === undefined ? undefined : await this.scheduler.lookup.facts(tenant, as.parent);
    return {
      tenant,
      actor,
      id: run,
      chosen: id !== '',
      workflow,
      input,
      queue,
      ...(version !== '' && { version }),
      ...(request.pinned && { pinned: true }),
      ...as,
      ...(parent && { depth: below(parent) }),
      ...(parent?.budget && { budget: spendsFrom(parent.budget) }),
      ...(request.limits && { limits: limitsOf(request.limits) }),
      ...(startTime && { notBeforeMs: msOf(startTime) }),
      ...(request.attributes && { attributes: checkedAttributes(request.attributes as Json) }),
      ...(request.key !== '' && { key: request.key }),
      ...(request.priority !== 0 && { priority: request.priority }),
      ...(request.onConflict === 'attach' && { attach: true }),
      ...(fork && { kept: fork.kept }),
      ...(request.send && { send: await this.message(request.send, { run, queue, workflow }, caller) }),
      ...(trace !== undefined && { trace }),
    };
  }

  private async message({ message, data, jsonData, idempotencyKey: key }: FirstMessage, to: Sent, caller: Caller) {
    const { run, queue, workflow } = to;
    may(caller, 'run.send', run);
    refuseUnknown(this.scheduler, { tenant: caller.tenant, queue, workflow }, message);
    const content = await readPayload(this.scheduler.values, caller.tenant, data, jsonData);
    return { message, content, key };
  }

  /** Asks the policies; what they refuse is recorded. @throws DomainError `policy.*` */
  private async permit(caller: Caller, run: string, start: { workflow: string; queue: string; input: Content }) {
    const { startPolicy, enforcement } = this.scheduler;
    try {
      startPolicy.permit({ tenant: caller.tenant, principal: principalOf(caller), ...start });
    } catch (error) {
      if (error instanceof DomainError && error.code !== 'policy.unavailable')
        await enforcement?.recordRefusal(caller, run, {
          code: error.code,
          detail: error.message,
          action: 'run.start',
          resource: { type: 'Workflow', id: start.workflow },
        });
      throw error;
    }
  }
}

/** @throws DomainError `run.too_deep` */
function below({ depth, budget }: RunFacts): number {
  const most = Math.min(mostDepth, budget?.maxDepth ?? mostDepth);
  if (depth < most) return depth + 1;
  throw refuse('run.too_deep', `its parent stands ${depth} levels below the first run, and ${most} is the most`);
}

interface Sent {
  run: string;
  queue: string;
  workflow: string;
}

function problem(reason: unknown, log: Logger) {
  return { outcome: { case: 'problem' as const, value: problemOf(reason, log) } };
}

/** Over gRPC a timestamp may lie where no date of JavaScript is. */
function msOf({ seconds }: Timestamp): number {
  if (seconds >= 0n && seconds < 253_402_300_800n) return Number(seconds) * 1000;
  throw refuse('run.bad_input', 'start_time must lie between the years 1970 and 9999');
}
