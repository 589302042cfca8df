import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { architecture } from '../../testing/probe.js';
import { AT_FDCWD, SIGCHLD } from '../linux.js';
import { launcherImage, PROGRAM_BASE } from './image.js';
import { Program } from './program.js';
import { decodeRecords, failure, record, type LauncherRecord } from './records.js';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'writ-launcher-'));
const launcher = path.join(folder, 'launcher');

beforeAll(() => fs.writeFileSync(launcher, launcherImage(architecture), { mode: 0o755 }));
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

/** Has the launcher perform a program; what it wrote, what it told, and how it ended. */
async function perform(
  program: Program,
): Promise<{ output: string; records: LauncherRecord[]; code: number | null; failed?: string }> {
  const assembled = program.assemble();
  const child = spawn(launcher, [], {
    stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
    env: { LD_PRELOAD: '/nowhere.so' },
  });
  const told: Buffer[] = [];
  const written: Buffer[] = [];
  const channel = child.stdio[3] as Readable & Writable;
  channel.on('data', (chunk: Buffer) => told.push(chunk));
  (child.stdout as Readable).on('data', (chunk: Buffer) => written.push(chunk));
  // In two pieces, as a socket may deliver it.
  channel.write(assembled.bytes.subarray(0, 100));
  setImmediate(() => channel.write(assembled.bytes.subarray(100)));
  const [code] = (await once(child, 'close')) as [number | null];
  const { records } = decodeRecords(Buffer.concat(told));
  const failed = records.find(({ kind }) => kind === 'failed');
  const name = failed === undefined ? undefined : assembled.callAt(failed.at);
  return { output: Buffer.concat(written).toString(), records, code, ...(name === undefined ? {} : { failed: name }) };
}

describe('the launcher', () => {
  test('performs calls in order, passes results on, and loops', async () => {
    const file = path.join(folder, 'text');
    fs.writeFileSync(file, 'abcdefghij');
    const program = new Program(architecture);
    const open = program.call('openat', AT_FDCWD, program.text(file), 0);
    program.call('dup3', open.result, 50, 0);
    const buffer = program.room(4);
    const again = program.here();
    const read = program.call('read', 50, buffer, 4);
    program.call('write', 1, buffer, read.result).thenIfPositive(again);
    program.call('exit_group', 7);
    expect(await perform(program)).toEqual({ output: 'abcdefghij', records: [], code: 7 });
  });

  test('goes on where a failure is tolerated, and elsewhere tells call and reason', async () => {
    const program = new Program(architecture);
    const start = { index: undefined };
    program.goTo(start);
    const place = failure(program, 3, 'failed', 42);
    program.reach(start);
    program.onFailure(place);
    program.call('openat', AT_FDCWD, program.text('/nonexistent'), 0).orContinue();
    program.call('write', 1, program.text('on'), 2);
    program.call('chdir', program.text('/nonexistent'));
    program.call('write', 1, program.text('never'), 5);
    const { output, code, records, failed } = await perform(program);
    expect({ output, code, failed }).toEqual({ output: 'on', code: 125, failed: 'chdir' });
    expect(records).toMatchObject([{ kind: 'failed', value: -2, id: 42 }]);
  });

  test('forks, executes, and hears how that ended', async () => {
    const program = new Program(architecture);
    const parent = { index: undefined };
    program.call('clone', SIGCHLD, 0, 0, 0, 0).thenIfPositive(parent);
    program.call(
      'execve',
      program.text('/bin/sh'),
      program.texts(['sh', '-c', 'echo $A; exit 5']),
      program.texts(['A=b']),
    );
    program.reach(parent);
    const status = program.words(0, 0);
    program.call('wait4', -1, status, 0, 0);
    record(program, 3, 'exited', 9, status);
    program.call('exit_group', 0);
    const { output, records } = await perform(program);
    expect(output).toBe('b\n');
    expect(records).toMatchObject([{ kind: 'exited', value: 5 << 8, id: 9 }]);
  });

  test('without a program to the end does nothing', async () => {
    const child = spawn(launcher, [], { stdio: ['ignore', 'inherit', 'inherit', 'pipe'] });
    (child.stdio[3] as Writable).end(Buffer.from([200, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]));
    expect((await once(child, 'exit'))[0]).toBe(125);
  });
});

describe('a program', () => {
  test('is assembled for an address', () => {
    const program = new Program('x86_64');
    program.call('write', 1, program.text('hi'), 2);
    const { bytes, callAt } = program.assemble(PROGRAM_BASE + 4096);
    const view = Buffer.from(bytes);
    expect(view.readBigUInt64LE(0)).toBe(1n); // write
    expect(view.readBigUInt64LE(16)).toBe(BigInt(PROGRAM_BASE + 4096 + 80)); // its data follow the calls
    expect(callAt(PROGRAM_BASE + 4096)).toBe('write');
  });

  test('refuses what the other side would misread', () => {
    const program = new Program('aarch64');
    expect(() => program.text('a\0b')).toThrow('NUL');
    expect(() => program.call('fork')).toThrow('aarch64 has no fork');
    const once2 = program.call('getpid');
    program.call('kill', once2.result, 0);
    program.call('kill', once2.result, 0);
    expect(() => program.assemble()).toThrow('used twice');
    const lost = new Program('x86_64');
    lost.goTo({ index: undefined });
    expect(() => lost.assemble()).toThrow('never reached');
    const large = new Program('x86_64');
    large.room(9_000_000);
    expect(() => large.assemble()).toThrow('too large');
  });
});
