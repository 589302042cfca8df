import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import { anonymous, type Caller } from '@writ/api';
import type { Capability } from '@writ/ledger/domain';
import { StartRunRequestSchema } from '@writ/proto/run/v1/run';
import { verifies } from '@writ/testkit';
import { startAs } from './start-as.js';

const may = (...actions: string[]): Capability[] => [{ type: 'writ', actions }];
const caller = (over: Partial<Caller>): Caller => ({
  ...anonymous,
  requestId: 'req_1',
  signal: AbortSignal.abort(),
  headers: { get: () => undefined },
  principal: 'agt_1',
  kind: 'agent',
  ...over,
});
const request = (over: Parameters<typeof create<typeof StartRunRequestSchema>>[1] = {}) =>
  create(StartRunRequestSchema, { workflow: 'w', ...over });
const exceeds = expect.objectContaining({ code: 'identity.exceeds_parent' });

describe('a child of a run', () => {
  const holder = caller({ run: 'run_1', grant: may('run.start', 'memory.read') });

  test('may do what the token holds, which may be less than what the run may do', () => {
    verifies('scheduler.start_within_token');
    expect(startAs(request(), holder)).toMatchObject({ parent: 'run_1', details: may('run.start', 'memory.read') });
    expect(startAs(request({ grant: [{ actions: ['memory.read'] }] }), holder).details).toEqual(may('memory.read'));
    expect(() => startAs(request({ grant: [{ actions: ['memory.*'] }] }), holder)).toThrow(exceeds);
  });

  test('is held to it too when a person starts it as an agent', () => {
    const person = caller({ ...holder, principal: 'psn_1', kind: 'person' });
    expect(startAs(request({ agent: 'agt_2' }), person)).toMatchObject({ agent: 'agt_2', details: holder.grant });
    expect(() => startAs(request({ agent: 'agt_2', grant: [{ actions: ['*'] }] }), person)).toThrow(exceeds);
  });

  test('is started with a token of its parent', () => {
    expect(() => startAs(request({ parent: 'run_2' }), holder)).toThrow(
      expect.objectContaining({ code: 'run.bad_input' }),
    );
  });
});

test('an agent starts runs of its own within its token, and as nobody else', () => {
  const agent = caller({ grant: may('run.start') });
  const own = { agent: 'agt_1', depth: 0, details: may('run.start') };
  expect(startAs(request(), agent)).toEqual({ ...own, ungranted: true });
  // Whose token does not prove that there is such an agent has identity asked.
  expect(startAs(request(), { ...agent, principal: 'psn_1', kind: 'person' })).toEqual({ ...own, agent: 'psn_1' });
  expect(() => startAs(request({ grant: [{ actions: ['tool.call'] }] }), agent)).toThrow(exceeds);
  expect(() => startAs(request({ agent: 'agt_2' }), agent)).toThrow(
    expect.objectContaining({ code: 'auth.missing_capability' }),
  );
});

test('a person starts a run as an agent, which acts on their behalf by its own rights', () => {
  const person = caller({ principal: 'psn_1', kind: 'person', grant: may('run.start') });
  expect(startAs(request({ agent: 'agt_2' }), person)).toEqual({ agent: 'agt_2', depth: 0, onBehalfOf: ['psn_1'] });
});
