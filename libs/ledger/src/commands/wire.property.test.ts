import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { verifies } from '@writ/testkit';
import { decodeCommand, encodeAnswer, encodeRefusal, decodeAnswer, splitAnswers } from './wire.js';

const refusals = ['ledger.unknown_command', 'ledger.too_deep'];
const names = ['id', 'tenant', 'aggregate', 'subject', 'command', 'actor'] as const;
const command = {
  id: 'cmd_1',
  tenant: 't',
  aggregate: 'a',
  subject: 's',
  command: { type: 'x', n: [1] },
  actor: { principal: 'p', kind: 'agent' },
};
/** What it is, or the code of its refusal; anything else that is thrown ends the test. */
function outcomeOf(text: string): object | string {
  try {
    return decodeCommand(text);
  } catch (error) {
    const { code } = error as { code?: string };
    if (code !== undefined && refusals.includes(code)) return code;
    throw error;
  }
}

const anything = fc.jsonValue({ maxDepth: 6 }).map((value) => JSON.stringify(value));
const nasty = fc.constantFrom(
  '{"__proto__":{"polluted":1}}',
  '1e999',
  '"\\u0000"',
  '"\\ud800"',
  '{"type":"x","__proto__":[]}',
);

test('any text is a command or refused, whatever stands in the place of its fields', () => {
  verifies('ledger.wire_total');
  const replaced = fc
    .tuple(fc.constantFrom(...names), fc.oneof(anything, nasty))
    .map(([name, value]) => JSON.stringify({ ...command, [name]: '@@' }).replace('"@@"', () => value));
  const cut = fc.nat(JSON.stringify(command).length).map((length) => JSON.stringify(command).slice(0, length));
  fc.assert(
    fc.property(fc.oneof(replaced, anything, nasty, cut, fc.string({ unit: 'binary' })), (text) => {
      const outcome = outcomeOf(text);
      if (typeof outcome === 'object')
        for (const name of ['id', 'tenant', 'aggregate', 'subject'] as const)
          expect(typeof (outcome as typeof command)[name]).toBe('string');
      expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    }),
  );
});

test('every answer of a frame reaches the command that it is for, whatever the texts in it', () => {
  const text = fc.string({ unit: fc.constantFrom('a', ' ', '"', '\\', '\n', '\u2028', '\ud800', '😀') });
  fc.assert(
    fc.property(fc.array(fc.tuple(text, fc.boolean())), (said) => {
      const answers = said.map(([detail, ok]) =>
        ok
          ? encodeAnswer({ position: 's/00/1/0', lines: [JSON.stringify({ detail })], events: [], duplicate: false })
          : encodeRefusal(Object.assign(new Error(detail), { code: 'a.b', details: { detail } }) as never),
      );
      const frame = answers.map((answer, index) => `${index} ${answer}`).join('\n');
      const received: string[] = [];
      splitAnswers(frame, (index, answer) => (received[index] = answer));
      if (said.length === 0) return;
      expect(received).toEqual(answers);
      for (const [index, [detail, ok]] of said.entries())
        if (ok) expect(decodeAnswer(received[index] as string).events).toEqual([{ detail }]);
        else expect(() => decodeAnswer(received[index] as string)).toThrow(expect.objectContaining({ code: 'a.b' }));
    }),
  );
});
