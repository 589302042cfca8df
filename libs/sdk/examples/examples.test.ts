/** The examples, in process and on virtual time; against the real stack they run as their own programs. */
import { expect, test } from '@jest/globals';
import type { ExecFrame, SandboxPort } from '@writ/sdk/testing';
import { testWrit } from '@writ/sdk/testing';
import { workflow } from '@writ/sdk';
import * as z from 'zod';
import { hello } from './01-hello/main.js';
import { booking, cancelled } from './02-retry-and-sleep/main.js';
import { refund } from './03-message-and-approval/main.js';
import { fileIssue, filed, inspect } from './04-sandbox-and-tool/main.js';
import { scout, survey } from './05-children/main.js';
import { report } from './06-steer/main.js';
import { grade, gradeAll } from './07-many/main.js';
import { digest } from './08-schedule/main.js';
import { answer, shown } from './09-tokens/main.js';
import { session } from './10-for-ever/main.js';
import { research, searched, summarize } from './13-budget/main.js';
import { invoice, sendAgain, sendTo } from './11-changed-code/main.js';
import { deploy } from './12-queue/main.js';
import { ticket } from './14-batch/main.js';
import { shift } from './15-answers/main.js';

test('01 greets, once for each name', async () => {
  await using t = testWrit({ workflows: [hello] });
  const run = await t.start(hello, { name: 'ada' }, { id: 'hello-ada', onConflict: 'attach' });
  expect(await run.result()).toEqual({ greeting: 'hello, ada', at: new Date('2026-01-01T00:00:00Z') });
  expect((await t.start(hello, { name: 'ada' }, { id: 'hello-ada', onConflict: 'attach' })).id).toBe(run.id);
});

test('02 tries again, sleeps, and takes back what it reserved when the card is declined', async () => {
  await using t = testWrit({ workflows: [booking], alwaysReplay: true });
  const good = await t.start(booking, { room: 'blue', card: 'good' }, { id: 'b1' });
  const bad = await t.start(booking, { room: 'red', card: 'declined' });
  await t.advance('10s');
  expect(await good.result()).toEqual({ reservation: 'blue-3', receipt: 'paid under b1/charge#1' });
  await expect(bad.result()).rejects.toMatchObject({ code: 'booking.declined' });
  expect(cancelled).toEqual(['red-3']);
});

test.each([
  ['approve', { refunded: 4250, approvedBy: 'psn_test' }],
  ['deny', { refunded: 0, because: 'too much' }],
] as const)('03 waits for evidence and asks a person, who may %s', async (verdict, expected) => {
  await using t = testWrit({ workflows: [refund], alwaysReplay: true });
  const run = await t.start(refund, { order: 'o1', cents: 4250 });
  await run.send('evidence', { url: 'https://example.org/photo.jpg' });
  for await (const event of run)
    if (event.type === 'approval.requested.v1') await t.decide(event.subject, verdict, { reason: 'too much' });
  expect(await run.result()).toEqual(expected);
});

test('03 gives up when nobody answers', async () => {
  await using t = testWrit({ workflows: [refund] });
  const run = await t.start(refund, { order: 'o1', cents: 1 });
  await run.send('evidence', { url: 'https://example.org/photo.jpg' });
  await t.advance('2d');
  expect(await run.result()).toEqual({ refunded: 0, because: 'nobody answered' });
});

test('04 looks at files in a sandbox, files an issue through a tool, and the second time knows it', async () => {
  const stopped: string[] = [];
  const sandbox: SandboxPort = {
    create: async () => ({ id: 'sbx_test' }),
    async *exec(): AsyncGenerator<ExecFrame> {
      yield { stream: 'stdout', bytes: new TextEncoder().encode('./a\n./b\n') };
      yield { end: { exitCode: 0, reason: 'exit' } };
    },
    readFile: async () => new Uint8Array(),
    writeFile: async () => {},
    files: async () => [],
    stop: async (id) => void stopped.push(id),
  };
  await using t = testWrit({ workflows: [inspect], tools: [fileIssue], sandbox });
  const memories: { text: string }[] = [];
  t.mock('recall', () => memories);
  t.mock('remember', ({ text }: { text: string }) => (memories.push({ text }), { id: 'mem_1' }));
  expect(await (await t.start(inspect, {})).result()).toMatchObject({ files: 2, news: true });
  expect(await (await t.start(inspect, {})).result()).toEqual({ files: 2, news: false });
  expect(filed).toEqual(['The number of files has changed']);
  expect(stopped).toEqual(['sbx_test', 'sbx_test']);
});

test('05 spawns children and adds up what they found', async () => {
  await using t = testWrit({ workflows: [survey, scout], alwaysReplay: true });
  const run = await t.start(survey, { words: ['a', 'b'], text: 'a b a' });
  expect(await run.result()).toMatchObject({ counts: { a: 2, b: 1 } });
});

test('06 drops the draft under way when a message names another topic', async () => {
  await using t = testWrit({ workflows: [report] });
  const run = await t.start(report, { topic: 'everything' }, { id: 'r' });
  await t.advance(0);
  await run.send('steer', { topic: 'bees' });
  expect(await run.result()).toBe('a report on bees');
  expect(await t.replay(t.history('r'), report)).toEqual({ same: true });
});

test('07 starts many, each with an outcome of its own, and a repeat finds them', async () => {
  await using t = testWrit({ workflows: [grade] });
  const essays = new Map(Array.from({ length: 200 }, (_, n) => [`e${n}`, 'word '.repeat(n + 1).trim()]));
  await t.start(grade, { essay: 'another one' }, { id: 'grade-e7' });
  for (let times = 0; times < 2; times++) {
    const { words, refused } = await gradeAll(t, essays);
    expect([words.size, words.get('e199')]).toEqual([199, 200]);
    expect([...refused]).toEqual([['e7', 'run.conflict']]);
  }
});

test('08 is a workflow like any other: a schedule only starts it', async () => {
  await using t = testWrit({ workflows: [digest], alwaysReplay: true });
  expect(await (await t.start(digest, { team: 'ab' })).result()).toBe('ab: 2 open on 2026-01-01');
});

test('09 shows tokens as they come, forgets those of the attempt that failed, and goes on where a reader left', async () => {
  await using t = testWrit({ workflows: [answer], alwaysReplay: true });
  const run = await t.start(answer, { prompt: 'owls' });
  await t.advance('5s');
  const seen: { text: string; cursor: string }[] = [];
  for await (const each of shown(run)) seen.push(each);
  expect(seen.map(({ text }) => text)).toEqual(
    expect.arrayContaining(['owls ', 'owls are ', '', 'owls are what they seem ']),
  );
  expect(seen.at(-1)?.text.trim()).toBe(await run.result());
  const types: string[] = [];
  for await (const { type } of run.stream({ after: seen[2]!.cursor })) types.push(type);
  expect(types).toEqual(['failed', 'started', 'data', 'data', 'data', 'data', 'data', 'completed', 'ended']);
});

test('10 goes on for ever with what it knows, and not with what it did', async () => {
  for (const alwaysReplay of [false, true]) {
    await using t = testWrit({ workflows: [session], alwaysReplay });
    const run = await t.start(session, undefined);
    for (const text of ['one', 'two words', 'and three words.', 'four', 'bye']) await run.send('say', text);
    expect(await run.result()).toEqual({ words: 7, last: ['two words', 'and three words.', 'four'] });
    expect(t.history(run.id).journal.length).toBeLessThan(6);
  }
});

test('11 keeps the old way for runs of the old code, does a step anew, and begins with the record of another run', async () => {
  const before = workflow({
    name: 'invoice',
    input: z.object({ cents: z.number(), to: z.string() }),
    messages: { approved: z.boolean() },
    async run(ctx, { cents, to }) {
      const net = await ctx.step('net', () => cents);
      await ctx.wait('approved');
      return ctx.step('send', () => `sent ${net} to ${to}`);
    },
  });
  await using old = testWrit({ workflows: [before] });
  const begun = await old.start(before, { cents: 100, to: 'ada' });
  await begun.send('approved', true);
  await begun.result();
  await using t = testWrit({ workflows: [invoice], alwaysReplay: true });
  expect(await t.replay(old.history(begun.id), invoice)).toEqual({ same: true });
  const run = await t.start(invoice, { cents: 100, to: 'ada' });
  await run.send('approved', true);
  expect(await run.result()).toBe('sent 119 to ada');
  expect(await sendAgain(t, run.id)).toEqual({ result: 'sent 119 to ada', doneAnew: ['step send/1'] });
  expect(await sendTo(t, run.id, 'bob')).toBe('sent 119 to bob');
});

test('12 deploys what was approved, with a key and a priority that matter where the queue has limits', async () => {
  await using t = testWrit({ workflows: [deploy], alwaysReplay: true });
  const place = { queue: 'deploys', priority: 5, key: 'api' };
  const [good, bad] = [
    await t.start(deploy, { service: 'api', version: '3' }, place),
    await t.start(deploy, { service: 'api', version: '4' }, place),
  ];
  await good.send('approved', true);
  await bad.send('approved', false);
  expect(await good.result()).toBe('api@3 everywhere');
  expect(await bad.result()).toBe('api@4 on 1 machine, taken back');
});

test('13 stands still when its tool calls are used up, and goes on when a person grants one more', async () => {
  await using t = testWrit({ workflows: [research, summarize] });
  const run = await t.start(research, { topics: ['bees', 'ants', 'wasps'] });
  for await (const event of run) {
    if (event.type !== 'approval.requested.v1') continue;
    expect(searched).toEqual(['bees', 'ants']);
    await t.decide(event.subject, 'approve', { input: { toolCalls: 1 } });
  }
  expect(await run.result()).toBe('13 hits');
});

test('14 sets its attributes, and can be paused while it waits', async () => {
  await using t = testWrit({ workflows: [ticket], alwaysReplay: true });
  const run = await t.start(ticket, { customer: 'acme' }, { attributes: { urgent: true } });
  await t.advance(0);
  await run.pause({ reason: 'maintenance' });
  await run.send('reply', 'hello');
  await t.advance('1h');
  await run.resume();
  expect(await run.result()).toBe('hello');
  const changes: unknown[] = [];
  for await (const { type, data } of run) if (/attributes|paused|resumed/.test(type)) changes.push([type, data]);
  expect(changes).toMatchObject([
    ['run.attributes_set.v1', { attributes: { customer: 'acme', stage: 'waiting for a reply' } }],
    ['run.paused.v1', { reason: 'requested', note: 'maintenance' }],
    ['run.resumed.v1', {}],
    ['run.attributes_set.v1', { attributes: { stage: null, answered: true } }],
  ]);
  await expect(run.pause()).rejects.toMatchObject({ code: 'run.ended' });
});

test('15 takes what fits into a shift, refuses what does not, and says what is left', async () => {
  await using t = testWrit({ workflows: [shift], alwaysReplay: true });
  const run = await t.start(shift, { minutes: 60 });
  const triage = { title: 'triage', minutes: 45 };
  const answer = { done: 'triage: done', left: 15 };
  expect(await run.update('take', triage, { idempotencyKey: 'ticket-1' })).toEqual(answer);
  expect(await run.update('take', triage, { idempotencyKey: 'ticket-1' })).toEqual(answer);
  await expect(run.update('take', { title: 'refund', minutes: 30 })).rejects.toMatchObject({ code: 'shift.full' });
  expect(await run.query('left')).toBe(15);
  const send = { message: 'over', data: {} } as const;
  await t.start(shift, { minutes: 60 }, { id: run.id, onConflict: 'attach', send });
  expect(await run.result()).toEqual({ unused: 15 });
});
