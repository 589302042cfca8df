import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { LogCommit } from './commit.js';

const commitOf = (bytes: Uint8Array) =>
  new LogCommit(
    { service: 'tools', partition: 0 },
    { commit: 1, epoch: 1, prev: '', bytes, timeMs: 0 },
    (event) => event,
  );

test('a body of lines is cut and parsed into the events that it was made of, whatever texts they hold', () => {
  const unit = fc.constantFrom('a', '\n', '\r', '\u2028', ',', '"', '\\', ']', '{', '\u0000', '\ud800', '😀');
  const text = fc.string({ unit });
  // JSON.parse of V8 13.6 takes a name that begins with an escape for one that ends with a backslash and was read before.
  const name = fc.string({ unit: unit.filter((each) => each !== '\\') });
  const json = fc.jsonValue({ stringUnit: fc.constantFrom('a', 'b', '\n', '"', '😀') });
  const data = fc.oneof(json, fc.dictionary(name, text), fc.constant(JSON.parse('{"__proto__":{"a":1}}')));
  const event = fc.record({ id: text, subject: text, data });
  fc.assert(
    fc.property(fc.array(event, { minLength: 1, maxLength: 6 }), (events) => {
      const lines = events.map((each) => JSON.stringify(each));
      const commit = commitOf(Buffer.from(lines.join('\n')));
      expect(commit.lines.map((line) => Buffer.from(line).toString())).toEqual(lines);
      expect(commit.events.map((each) => JSON.stringify(each))).toEqual(lines);
      expect(({} as { a?: unknown }).a).toBeUndefined();
    }),
  );
});
