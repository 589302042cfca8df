import { expect, test } from '@jest/globals';
import { create } from '@bufbuild/protobuf';
import { WorkflowCodeSchema } from '@writ/proto/worker/v1/worker';
import { verifies } from '@writ/testkit';
import { Declared } from './declared.js';

const worker = (names?: string[]) => ({
  tenant: 't',
  queue: 'q',
  workflows: new Map([['w', create(WorkflowCodeSchema, { name: 'w', ...(names && { messages: { names } }) })]]),
});

test('a message is unknown when all workers of a workflow say what theirs are, and none has it', () => {
  verifies('run.unknown_message');
  const declared = new Declared();
  const others = (message: string, workflow = 'w') => declared.others('t', 'q', workflow, message);
  expect(others('go')).toBeUndefined();
  const [old, newer, silent] = [worker([]), worker(['go', 'stop']), worker()];
  declared.add(old);
  expect(others('go')).toEqual([]);
  declared.add(newer);
  expect([others('go'), others('gone'), others('gone', 'another')]).toEqual([undefined, ['go', 'stop'], undefined]);
  declared.add(silent);
  expect(others('gone')).toBeUndefined();
  declared.remove(silent);
  declared.remove(newer);
  expect(others('go')).toEqual([]);
  declared.remove(old);
  expect(others('go')).toBeUndefined();
});
