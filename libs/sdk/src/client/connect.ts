import { IdentityService } from '@writ/proto/identity/v1/identity';
import { ApprovalService, PolicyService } from '@writ/proto/policy/v1/policy';
import type { JsonObject } from '@bufbuild/protobuf';
import type { Workflow } from '../define/workflow.js';
import type { Decision } from '../errors/errors.js';
import { openSandbox } from '../sandbox/direct.js';
import type { SandboxOptions } from '../sandbox/sandbox.js';
import { decisionOf } from '../worker/decision.js';
import { sandboxClient } from '../worker/sandbox-client.js';
import { serve } from '../worker/worker.js';
import { watch } from './events.js';
import { inert, offering } from './offering.js';
import type { StartOptions } from './run.js';
import { jsonValue, RunClient, runHandle, startRun } from './run-handle.js';
import { runsOf, type RunsQuery } from './runs.js';
import { schedule, type ScheduleOptions } from './schedule.js';
import { keyFile, Session } from './session.js';
import type { EventFilter, ServeOptions, Worker, Writ } from './writ.js';

/** Where to connect, and as whom. What is absent comes from the environment. */
export interface ConnectOptions {
  /** Of the platform's one door; default `WRIT_URL`, else `http://127.0.0.1:8080`. */
  url?: string;
  /**
   * An access token, or a function that gets one; default `WRIT_TOKEN`. A function is called with the id of a run where the token of that run is needed.
   * Without a token the key file named by `WRIT_KEY_FILE` is used: tokens are then got, renewed and narrowed to each run by themselves.
   */
  token?: string | ((run?: string) => Promise<string>);
  /** The tenant to act in, for operators; others have one. Default `WRIT_PROJECT`. */
  project?: string;
  fetch?: typeof globalThis.fetch;
  /** Closes the connection. */
  signal?: AbortSignal;
}

/** Connects on first use, so it neither waits nor fails. */
export function connect(opts: ConnectOptions = {}): Writ {
  const offer = offering();
  if (offer) return inert(offer);
  const { WRIT_URL, WRIT_TOKEN, WRIT_KEY_FILE, WRIT_PROJECT } = process.env;
  const session = new Session({
    // A variable that is set to nothing is not set.
    url: opts.url ?? (WRIT_URL || 'http://127.0.0.1:8080'),
    token: opts.token ?? (WRIT_TOKEN || undefined),
    key: WRIT_KEY_FILE ? keyFile(WRIT_KEY_FILE) : undefined,
    project: opts.project ?? (WRIT_PROJECT || undefined),
    fetch: opts.fetch ?? globalThis.fetch,
  });
  const runs = new RunClient(session);
  const workers = new Set<Worker>();
  const close = async () => {
    await Promise.all([...workers].map((worker) => worker[Symbol.asyncDispose]()));
    session.close();
  };
  opts.signal?.addEventListener('abort', () => void close(), { once: true });
  return {
    start: (def: Workflow, input: unknown, options?: StartOptions) => startRun(runs, def, input, options),
    run: (id: string, def?: Workflow) => runHandle(runs, id, def),
    schedule: (def: Workflow, input: unknown, options: ScheduleOptions) => schedule(session, def, input, options),
    runs: (query?: RunsQuery) => runsOf(session, query),
    sandbox: (options?: SandboxOptions) => openSandbox(sandboxClient(session), options),
    async serve(options: ServeOptions) {
      const worker = await serve(session, options);
      workers.add(worker);
      void worker.closed.catch(() => {}).finally(() => workers.delete(worker));
      return worker;
    },
    events: (filter: EventFilter = {}) => {
      const { type, subject, after = '', signal } = filter;
      return watch(
        session,
        { after, ...(type ? { types: type } : {}), ...(subject === undefined ? {} : { subject }) },
        signal,
      );
    },
    authorize: (request: AuthorizeRequest) => authorize(session, request),
    decide: (approvalId: string, verdict: 'approve' | 'deny', options?: DecideOptions) =>
      decide(session, approvalId, verdict, options),
    async revoke(subject: string, { reason, signal }: { reason: string; signal?: AbortSignal }) {
      const { grants, runs, eventId } = await session.call(
        IdentityService.method.revoke,
        { subject, reason },
        { signal },
      );
      return { grants, runsStopped: runs, eventId };
    },
    [Symbol.asyncDispose]: close,
  } as Writ;
}

type AuthorizeRequest = Parameters<Writ['authorize']>[0];
type DecideOptions = NonNullable<Parameters<Writ['decide']>[2]>;

async function authorize(session: Session, { agent, tool, input, signal }: AuthorizeRequest): Promise<Decision> {
  const args = JSON.parse(JSON.stringify(input ?? {})) as JsonObject;
  const request = { principal: agent, action: 'tool.call', resourceType: 'Tool', resource: tool, arguments: args };
  const { outcome, reasons } = await session.call(PolicyService.method.checkDecision, request, { signal });
  return decisionOf({ id: '', outcome, reasons, approvalId: '' });
}

/** The approver decides on what they see: the digest of the arguments goes along, and another one is refused. */
async function decide(
  session: Session,
  id: string,
  verdict: 'approve' | 'deny',
  opts: DecideOptions = {},
): Promise<Decision> {
  const { reason = '', input, signal } = opts;
  const seen = await session.call(ApprovalService.method.getApproval, { id }, { signal });
  const argumentsDigest = seen.approval?.argumentsDigest ?? '';
  const value = input === undefined ? {} : { value: jsonValue(input) };
  const { approval } = await session.call(
    ApprovalService.method.decideApproval,
    { id, verdict, reason, argumentsDigest, ...value },
    { signal },
  );
  const reasons = reason ? [{ code: `approval.${approval?.state ?? verdict}`, policy: '', text: reason }] : [];
  return { id, outcome: verdict === 'approve' ? 'allow' : 'deny', reasons, approvalId: id };
}
