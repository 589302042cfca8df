import { describe, expect, test } from '@jest/globals';
import type { SandboxRequested } from './sandbox.events.js';
import { sandboxAggregate, type Sandbox, type SandboxCommand } from './sandbox.js';

const request: SandboxRequested = {
  name: 'review',
  artifact: 'art_1',
  commit: 'c0ffee',
  limits: { memoryMib: 512, processes: 128, cpuMilli: 1000, diskMib: 256 },
  mounts: [],
  runner: 'host-1',
  tier: 'namespace',
  agent: 'agt_1',
  expires: '2026-11-23T10:00:00.000Z',
};

/** Decides and evolves; gives the types of the events, and the state. */
function after(...commands: SandboxCommand[]): { events: string[]; sandbox: Sandbox } {
  const about = { subject: 'sbx_1' } as Parameters<typeof sandboxAggregate.decide>[2];
  return commands.reduce<{ events: string[]; sandbox: Sandbox }>(
    ({ events, sandbox }, command) => {
      const decided = sandboxAggregate.decide(command, sandbox, about);
      const evolved = decided.reduce<Sandbox>(
        (state, { type, data }) => sandboxAggregate.evolve(state, { type, data, time: '', subject: 'sbx_1' }),
        sandbox,
      );
      return { events: [...events, ...decided.map(({ type }) => type)], sandbox: evolved };
    },
    { events: [], sandbox: sandboxAggregate.initial },
  );
}

const start: SandboxCommand = { type: 'start', layers: ['uid:200000'] };
const stop: SandboxCommand = { type: 'stop', reason: 'stopped' };

describe('a sandbox', () => {
  test('is requested, runs, and is stopped', () => {
    const { events, sandbox } = after({ type: 'request', ...request }, start, stop);
    expect(events).toEqual(['sandbox.requested.v1', 'sandbox.started.v1', 'sandbox.stopped.v1']);
    expect(sandbox).toEqual({ status: 'stopped', reason: 'stopped' });
  });

  test('is requested once', () => {
    expect(() => after({ type: 'request', ...request }, { type: 'request', ...request })).toThrow(
      /is starting already/,
    );
  });

  test('that runs is told so again without a change', () => {
    expect(after({ type: 'request', ...request }, start, start).events.length).toBe(2);
  });

  test('keeps the first reason that it ended for', () => {
    const { events, sandbox } = after(
      { type: 'request', ...request },
      start,
      { type: 'stop', reason: 'revoked' },
      stop,
    );
    expect(events.length).toBe(3);
    expect(sandbox).toEqual({ status: 'stopped', reason: 'revoked' });
  });

  test('that was stopped while it was starting does not run', () => {
    expect(() => after({ type: 'request', ...request }, { type: 'stop', reason: 'revoked' }, start)).toThrow(
      /stopped while/,
    );
  });

  test('that never was cannot be stopped', () => {
    expect(() => after(stop)).toThrow(/there is no sandbox sbx_1/);
  });
});
