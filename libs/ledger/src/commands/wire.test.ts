import { expect, test } from '@jest/globals';
import { DomainError } from '../domain/refusals.js';
import { decodeAnswer, decodeCommand, encodeAnswer, encodeRefusal } from './wire.js';

const command = {
  id: 'cmd_1',
  tenant: 't',
  aggregate: 'a',
  subject: 's',
  command: { type: 'x' },
  actor: { principal: 'p' },
};

test('an answer carries the very lines of its events', () => {
  const text = encodeAnswer({ position: 's/00/1/1', lines: ['{"id":"1"}', '{"id":"2"}'], events: [], duplicate: true });
  expect(decodeAnswer(text)).toEqual({ position: 's/00/1/1', duplicate: true, events: [{ id: '1' }, { id: '2' }] });
});

test('a refusal is thrown on the other side with everything it says', () => {
  const refusal = encodeRefusal(new DomainError('a.b', 'because', { n: 1 }));
  expect(() => decodeAnswer(refusal)).toThrow(
    expect.objectContaining({ code: 'a.b', message: 'because', details: { n: 1 } }),
  );
});

test('a command that nests deeper than any reader follows is refused before it is decided', () => {
  const deep = `{"type":"x","value":${'['.repeat(50_000)}${']'.repeat(50_000)}}`;
  const text = JSON.stringify(command).replace('{"type":"x"}', deep);
  expect(() => decodeCommand(text)).toThrow(
    expect.objectContaining({ code: 'ledger.too_deep', message: expect.stringContaining("'x' nests deeper than 90") }),
  );
});

test.each([
  ['no JSON', '{'],
  ['null', 'null'],
  ['no id', JSON.stringify({ ...command, id: undefined })],
  ['an empty subject', JSON.stringify({ ...command, subject: '' })],
  ['an id that is too long', JSON.stringify({ ...command, id: 'x'.repeat(257) })],
  ['no type', JSON.stringify({ ...command, command: {} })],
  ['no actor', JSON.stringify({ ...command, actor: null })],
])('%s is not a command', (_, text) => {
  expect(() => decodeCommand(text)).toThrow(expect.objectContaining({ code: 'ledger.unknown_command' }));
});
