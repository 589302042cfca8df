import { randomUUID } from 'node:crypto';
import { execOf, requestOf } from './exec.js';
import { sandboxFs } from './fs.js';
import type { SandboxPort } from './port.js';
import type { Sandbox, SandboxOptions } from './sandbox.js';

/** A sandbox used from outside a run: nothing is recorded but what the platform records itself. */
export async function openSandbox(port: SandboxPort, opts: SandboxOptions = {}): Promise<Sandbox> {
  const { id } = await port.create(opts, `client/${randomUUID()}`, undefined);
  return {
    id,
    fs: sandboxFs(id, port),
    exec: (argv, execOpts = {}) =>
      execOf(port.exec(id, requestOf(argv, execOpts), `client/${randomUUID()}`, execOpts.signal)),
    [Symbol.asyncDispose]: () => port.stop(id, 'disposed', undefined),
  };
}
