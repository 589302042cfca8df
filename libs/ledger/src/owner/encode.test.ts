import { expect, test } from '@jest/globals';
import type { Command } from '../domain/events.js';
import { encodeEvent } from './encode.js';

const command: Command = {
  id: 'cmd_1',
  tenant: 'tnt_1',
  aggregate: 'run',
  subject: 'run_1',
  command: { type: 'start' },
  actor: { principal: 'agt_1', kind: 'agent' },
  time: '2026-11-23T12:00:00.000Z',
};
const data = { workflow: 'w', parent: undefined };

test('an event is what reading its line back gives', () => {
  const { line, event } = encodeEvent({ type: 'run.started.v1', data }, command, 'scheduler/07');
  expect(event).toStrictEqual(JSON.parse(line));
  expect(event.data).toStrictEqual({ workflow: 'w' });
});

test('what is plain is not read back, and gives the same line', () => {
  const draft = { type: 'run.started.v1', data: { workflow: 'w' } };
  const { line, event } = encodeEvent(draft, command, 'scheduler/07', true);
  expect(event.data).toBe(draft.data);
  expect(event).toStrictEqual(JSON.parse(line));
});
