import { expect, test } from '@jest/globals';
import { gaps } from './requirements.mjs';

const promised = [
  { id: 'ledger.fence', promise: 'a deposed owner is refused' },
  { id: 'ledger.once', promise: 'an effect is there once' },
];
// In pieces, or the gate would take these for citations of this file.
const cites = (...ids) => ({
  path: 'a.test.ts',
  text: `test('x', () => {\n  ${'verifies'}(${ids.map((id) => `'${id}'`).join(', ')});\n});`,
});

test('promises that tests cite, one or several at a time, leave no gap', () => {
  expect(gaps(promised, [cites('ledger.fence', 'ledger.once')])).toEqual([]);
  expect(gaps(promised, [cites('ledger.fence'), cites('ledger.once')])).toEqual([]);
});

test('a promise without a test, a citation without a promise and a promise made twice are gaps', () => {
  expect(gaps([...promised, promised[0]], [cites('ledger.fence'), cites('ledger.typo')])).toEqual([
    'ledger.fence: promised twice',
    'ledger.once: no test shows that an effect is there once',
    'ledger.typo: a.test.ts cites it, and e2e/requirements.ts does not promise it',
  ]);
});
