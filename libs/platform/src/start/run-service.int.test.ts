import { spawn } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import { projectRoot, startProcess } from '@writ/testkit';

const program = 'libs/platform/src/start/run-service.program.ts';

describe('a service in a process of its own', () => {
  test('says where it listens, and drains on SIGTERM', async () => {
    await using service = startProcess(program);
    const [, line] = await service.line(/^(\{.*\})$/);
    expect(JSON.parse(line as string)).toEqual({
      ready: { name: 'memory', replica: 'one', httpUrl: 'http://127.0.0.1:1', grpcUrl: 'http://127.0.0.1:2' },
    });
    service.send('SIGTERM');
    expect(await service.exited).toBe(0);
    expect(service.lines).toContain('stopped');
  });

  test.each([
    ['drains', {}],
    ['while it still starts ends', { WAIT: '1' }],
  ])('%s when whoever holds its stdin dies', async (_, env) => {
    const child = spawn(
      process.execPath,
      ['--import', `${projectRoot}/infra/source.mjs`, `${projectRoot}/${program}`],
      { stdio: 'pipe', env: { ...process.env, ...env } },
    );
    await new Promise((resolve) => child.stdout.once('data', resolve));
    child.stdin.end();
    expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(0);
  });

  test('that cannot start says why and ends with 1', async () => {
    await using service = startProcess(program, { env: { FAIL: '1' } });
    expect(await service.exited).toBe(1);
    expect(service.lines).toContain('{"failed":"the environment is not complete"}');
    expect(service.lines).toContain('Error: the environment is not complete');
  });
});
