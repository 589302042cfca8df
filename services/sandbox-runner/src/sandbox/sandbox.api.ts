import { Inject } from '@nestjs/common';
import { ApiService, type Caller, type ServiceImplementation } from '@writ/api';
import {
  SandboxService,
  type AttachRequest,
  type ChangeFilesRequest,
  type CreateSandboxRequest,
  type ExecRequest,
  type GetSandboxRequest,
  type ListSandboxesRequest,
  type ReadFileRequest,
  type StopSandboxRequest,
  type WriteFileRequest,
} from '@writ/proto/sandbox/v1/sandbox';
import { Runner } from '../runner.js';
import { attach } from './attach.js';
import { changeFiles, readFile, writeFile } from './file-actions.js';
import type { Wanted } from './lifecycle.js';
import { commandOf, frameOf, keepMsOf, limitsOf, liveMessage, rowMessage } from './sandbox.messages.js';
import { permitted } from '../permitted.js';

const PAGE = 50;

/** Implements `writ.sandbox.v1.SandboxService`. */
@ApiService(SandboxService)
export class SandboxApi implements ServiceImplementation<typeof SandboxService> {
  constructor(@Inject(Runner) private readonly runner: Runner) {}

  async createSandbox(request: CreateSandboxRequest, caller: Caller) {
    const wanted = await this.wanted(request, caller);
    const { artifact, limits, mounts, keepMs } = wanted;
    const done = await permitted(
      this.runner.enforcement,
      caller,
      {
        action: 'sandbox.create',
        resource: { type: 'Sandbox', id: wanted.name || 'sandbox' },
        arguments: {
          ...(artifact && { artifact: artifact.id, commit: artifact.commit }),
          network: 'none',
          memoryMib: limits.memoryMib,
          diskMib: limits.diskMib,
          processes: limits.processes,
          cpus: Math.ceil(limits.cpuMilli / 1000),
          ttlSeconds: Math.round(keepMs / 1000),
          ...(mounts.length > 0 && { mounts: mounts.map((mount) => ({ ...mount })) }),
        },
        effectId: request.effectId,
        // What an earlier holder began ended with it, so beginning again repeats nothing.
        effect: 'idempotent',
      },
      (signal) => this.runner.lifecycle.create(caller, wanted, signal),
      ({ sandbox, position }) => ({ id: sandbox.id, position }),
    );
    if ('now' in done) return { sandbox: liveMessage(done.now.sandbox), position: done.now.position };
    const { id, position } = done.before as { id: string; position: string };
    return { sandbox: rowMessage(await this.runner.sandboxes.row(caller, id, position)), position };
  }

  async getSandbox({ id, after }: GetSandboxRequest, caller: Caller) {
    return { sandbox: rowMessage(await this.runner.sandboxes.row(caller, id, after)) };
  }

  async listSandboxes({ state, run, pageSize, pageToken, after }: ListSandboxesRequest, caller: Caller) {
    const limit = pageSize || PAGE;
    const filter = { limit, ...(state && { state }), ...(run && { run }), ...(pageToken && { before: pageToken }) };
    const rows = await this.runner.sandboxes.list(caller, filter, after);
    return { sandboxes: rows.map(rowMessage), nextPageToken: rows.length === limit ? (rows.at(-1)?.id ?? '') : '' };
  }

  async *exec(request: ExecRequest, caller: Caller) {
    const command = commandOf(request);
    const sandbox = await this.runner.sandboxes.use(caller, request.id);
    for await (const frame of this.runner.commands.run(sandbox, command, caller)) yield frameOf(frame);
  }

  attach(requests: AsyncIterable<AttachRequest>, caller: Caller) {
    return attach(this.runner, requests, caller);
  }

  readFile({ id, path }: ReadFileRequest, caller: Caller) {
    return readFile(this.runner, caller, id, path);
  }

  writeFile({ id, path, data }: WriteFileRequest, caller: Caller) {
    return writeFile(this.runner, caller, { id, path, data });
  }

  changeFiles(request: ChangeFilesRequest, caller: Caller) {
    return changeFiles(this.runner, caller, request);
  }

  async stopSandbox({ id, reason }: StopSandboxRequest, caller: Caller) {
    const { sandboxes, lifecycle, enforcement } = this.runner;
    const sandbox = await sandboxes.toStop(caller, id);
    const done = await permitted(
      enforcement,
      caller,
      {
        action: 'sandbox.stop',
        resource: { type: 'Sandbox', id },
        arguments: { reason },
        effectId: '',
        effect: 'idempotent',
      },
      async () => ('requested' in sandbox ? lifecycle.stop(sandbox, 'stopped', caller.actor, reason || undefined) : ''),
      (position) => position,
    );
    return { position: 'now' in done ? done.now : String(done.before) };
  }

  /** Everything that is asked for, resolved and allowed by the operator, before the policies are asked. */
  private async wanted(request: CreateSandboxRequest, caller: Caller): Promise<Wanted> {
    const mounts = request.mounts.map(({ source, target, writable }) => ({ source, target, writable }));
    const mountSpecs = mounts.map((mount) => this.runner.mounts.check(caller.tenant, mount));
    return {
      name: request.name,
      ...(request.from !== '' && { artifact: await this.runner.artifacts.resolve(caller.tenant, request.from) }),
      limits: limitsOf(request.limits),
      mounts,
      mountSpecs,
      keepMs: keepMsOf(request),
    };
  }
}
