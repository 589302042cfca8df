import { expect, test } from '@jest/globals';
import { capabilityText, parseCapability } from './agent.actions.js';

test.each([
  ['run.start', { actions: ['run.start'], resources: [] }],
  ['run.start,run.read', { actions: ['run.start', 'run.read'], resources: [] }],
  ['tool.call=files/*,notes/read', { actions: ['tool.call'], resources: ['files/*', 'notes/read'] }],
  ['memory.read=a=b', { actions: ['memory.read'], resources: ['a=b'] }],
])('--can %s', (text, capability) => {
  expect(parseCapability(text)).toMatchObject(capability);
  expect(capabilityText(parseCapability(text))).toBe(text);
});

test.each(['', '=files/*', 'tool.call=', 'a,,b'])('--can %p is refused', (text) => {
  expect(() => parseCapability(text)).toThrow(
    expect.objectContaining({ problem: expect.objectContaining({ code: 'cli.usage' }) }),
  );
});
