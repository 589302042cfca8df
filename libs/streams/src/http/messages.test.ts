import { expect, test } from '@jest/globals';
import { messagesOf } from './messages.js';

const messages = (text: string) => messagesOf(Buffer.from(text));

test.each([
  ['a value', ' {"a": 1} ', ['{"a": 1}']],
  ['an array, one level deep', '[1, [2, 3], "a,]b", {"c": [","]}]', ['1', '[2, 3]', '"a,]b"', '{"c": [","]}']],
  ['an array in an array', '[[1,2]]', ['[1,2]']],
  ['no elements', ' [ ] ', []],
  ['quotes and backslashes', '["a\\"],[", "\\\\"]', ['"a\\"],["', '"\\\\"']],
  ['numbers with more digits than a double', '[12345678901234567890]', ['12345678901234567890']],
])('the messages of %s are taken as they were written', (_, text, expected) => {
  expect(messages(text)).toEqual(expected);
});

test.each(['', '{', '[1,]', '[1 2]', 'nope'])('%j is no JSON', (text) => {
  expect(() => messages(text)).toThrow(SyntaxError);
});
