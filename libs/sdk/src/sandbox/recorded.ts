import { durationMs } from '../define/duration.js';
import { assertNotInStep, currentStep } from '../run/inside.js';
import type { RunScope } from '../run/scope.js';
import { effect } from '../run/steps.js';
import { collect, execOf, requestOf } from './exec.js';
import { sandboxFs } from './fs.js';
import type { ExecFrame, SandboxPort } from './port.js';
import type { ExecOptions, Sandbox, SandboxOptions } from './sandbox.js';

/**
 * `ctx.sandbox`. What the workflow's own function does with it is recorded, command by command, so that a replay starts no process; what a step does
 * with it is part of that step. Inside a step output streams as it comes; outside it comes when the command has ended, because only that is recorded.
 */
export async function recordedSandbox(scope: RunScope, opts: SandboxOptions = {}): Promise<Sandbox> {
  assertNotInStep('ctx.sandbox');
  const port = scope.effects.sandboxes(scope.executor.runId);
  const name = opts.name ? `sandbox ${opts.name}` : 'sandbox';
  const { id } = await effect(scope, name, ({ effectId, signal }) => port.create(opts, effectId, signal));
  scope.sandboxes.add(id);
  return {
    id,
    fs: sandboxFs(id, recordedFiles(scope, name, port)),
    exec: (argv, execOpts = {}) => execOf(execFrames(scope, port, name, id, argv, execOpts)),
    async [Symbol.asyncDispose]() {
      if (!scope.sandboxes.delete(id)) return;
      if (currentStep()) return port.stop(id, 'disposed', undefined);
      await effect(scope, `${name}: stop`, () => port.stop(id, 'disposed', undefined));
    },
  };
}

async function* execFrames(
  scope: RunScope,
  port: SandboxPort,
  name: string,
  id: string,
  argv: readonly string[],
  opts: ExecOptions,
): AsyncGenerator<ExecFrame> {
  const inside = currentStep();
  const signal =
    inside && opts.signal
      ? AbortSignal.any([inside.stopping.signal, opts.signal])
      : (inside?.stopping.signal ?? opts.signal);
  const request = requestOf(argv, opts);
  if (inside) {
    yield* port.exec(id, request, `${inside.runId}/${inside.step}/exec/${crypto.randomUUID()}`, signal);
    return;
  }
  const timeout = opts.timeout === undefined ? {} : { timeout: durationMs(opts.timeout) + 30_000 };
  const frames = await effect(
    scope,
    `${name}: ${argv[0] ?? 'exec'}`,
    (about) => collect(port.exec(id, request, about.effectId, about.signal)),
    { ...(opts.signal ? { signal: opts.signal } : {}), ...timeout },
  );
  yield* frames;
}

/** The file operations of the port; those of the workflow's own function are recorded. */
function recordedFiles(
  scope: RunScope,
  name: string,
  port: SandboxPort,
): Pick<SandboxPort, 'readFile' | 'writeFile' | 'files'> {
  const via = <T>(
    what: string,
    signal: AbortSignal | undefined,
    perform: (signal: AbortSignal | undefined) => Promise<T>,
  ): Promise<T> => {
    const inside = currentStep();
    if (inside) return perform(signal ? AbortSignal.any([inside.stopping.signal, signal]) : inside.stopping.signal);
    return effect(scope, `${name}: ${what}`, (about) => perform(about.signal), signal ? { signal } : {});
  };
  return {
    readFile: (id, path, signal) => via('readFile', signal, (both) => port.readFile(id, path, both)),
    writeFile: (id, path, data, signal) => via('writeFile', signal, (both) => port.writeFile(id, path, data, both)),
    files: (id, verb, path, signal) => via(verb, signal, (both) => port.files(id, verb, path, both)),
  };
}
