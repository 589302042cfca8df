import { refuse, type Aggregate } from '@writ/ledger/domain';
import type { SandboxEvent, SandboxRequested, StopReason } from './sandbox.events.js';

/** One sandbox. What runs in it is in no state: when its runner ends, it ends. */
export type Sandbox =
  | { readonly status: 'none' }
  | ({ readonly status: 'starting' | 'running' } & Owned)
  | { readonly status: 'stopped'; readonly reason: StopReason };

interface Owned {
  readonly agent: string;
  readonly runner: string;
  readonly expires: string;
}

export type SandboxCommand =
  | ({ readonly type: 'request' } & SandboxRequested)
  | { readonly type: 'start'; readonly layers: readonly string[] }
  | { readonly type: 'stop'; readonly reason: StopReason; readonly detail?: string };

/** Subject: the sandbox id. */
export const sandboxAggregate: Aggregate<Sandbox, SandboxCommand, SandboxEvent> = {
  name: 'sandbox',
  initial: { status: 'none' },
  events: ['sandbox.requested.v1', 'sandbox.started.v1', 'sandbox.command_ended.v1', 'sandbox.stopped.v1'],
  // A sandbox lives a day at most; afterwards only the view tells of it.
  forgetAfterMs: 2 * 24 * 60 * 60 * 1000,

  decide(command, sandbox, { subject }) {
    switch (command.type) {
      case 'request': {
        if (sandbox.status !== 'none')
          throw refuse('sandbox.already_requested', `${subject} is ${sandbox.status} already`);
        const { type: _, ...requested } = command;
        return [{ type: 'sandbox.requested.v1', data: requested }];
      }
      case 'start':
        if (sandbox.status === 'running') return [];
        if (sandbox.status !== 'starting')
          throw refuse('sandbox.stopped', `${subject} was stopped while it was starting`);
        return [{ type: 'sandbox.started.v1', data: { layers: command.layers } }];
      case 'stop': {
        if (sandbox.status === 'none') throw notFound(subject);
        if (sandbox.status === 'stopped') return []; // a stop that is repeated, or comes second, is a success
        const { type: _, ...stopped } = command;
        return [{ type: 'sandbox.stopped.v1', data: stopped }];
      }
    }
  },

  evolve(sandbox, event) {
    switch (event.type) {
      case 'sandbox.requested.v1': {
        const { agent, runner, expires } = event.data as SandboxRequested;
        return { status: 'starting', agent, runner, expires };
      }
      case 'sandbox.started.v1':
        return sandbox.status === 'starting' ? { ...sandbox, status: 'running' } : sandbox;
      case 'sandbox.command_ended.v1':
        return sandbox;
      case 'sandbox.stopped.v1':
        return { status: 'stopped', reason: (event.data as { reason: StopReason }).reason };
    }
  },
};

const notFound = (id: string): Error => refuse('sandbox.not_found', `there is no sandbox ${id}`, { id });
