import { Readable } from 'node:stream';
import { expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { AnswerTooLarge, webAnswer } from './answer.js';

const answering = (type: string, ...parts: string[]) => {
  const body = Readable.from(parts.map((part) => Buffer.from(part)));
  return { statusCode: 200, headers: { 'content-type': type, 'set-cookie': ['a=1', 'b=2'] }, body };
};

test('an answer is handed out as it came, with every value of its headers', async () => {
  const answer = await webAnswer(answering('application/json', '{"a":', '1}'), 10);
  expect(await answer.json()).toEqual({ a: 1 });
  expect(answer.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
  const { status, body } = await webAnswer({ statusCode: 204, headers: {}, body: Readable.from([]) }, 10);
  expect({ status, body }).toEqual({ status: 204, body: null });
});

test('an answer, or one event of a stream, that is too large is not read to its end', async () => {
  verifies('tools.upstream_bound');
  const large = answering('application/json', '{"a":', '"bcdefgh"}', 'never');
  await expect(webAnswer(large, 10)).rejects.toThrow(AnswerTooLarge);
  expect(large.body.destroyed).toBe(true);
  const events = ['data: 1\n\n', 'data: 2\n\n', 'data: 3\n\n'];
  const stream = await webAnswer(answering('text/event-stream', ...events), 10);
  expect(await stream.text()).toBe(events.join(''));
  const wide = await webAnswer(answering('text/event-stream', 'data: 1', '2345\n\n'), 10);
  await expect(wide.text()).rejects.toThrow('more than 10');
});
