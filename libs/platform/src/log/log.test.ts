import { describe, expect, test } from '@jest/globals';
import { callFields, openLog } from './log.js';

function logged(write: (log: ReturnType<typeof openLog>) => void): Record<string, unknown>[] {
  const lines: string[] = [];
  const log = openLog({ service: 'memory', replica: 'one' }, 'info', {
    write: (line: string) => void lines.push(line),
  });
  write(log);
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('the log', () => {
  test('says who, for which run, under which trace', () => {
    const caller = {
      tenant: 'tnt_1',
      principal: 'agt_1',
      run: 'run_1',
      trace: '00-a-b-01',
      requestId: 'req_1',
      rawToken: 'secret',
    };
    const [line] = logged((log) => log.info(callFields(caller), 'done'));
    expect(line).toMatchObject({
      level: 'info',
      service: 'memory',
      replica: 'one',
      tenant: 'tnt_1',
      run: 'run_1',
      trace: '00-a-b-01',
      msg: 'done',
    });
    expect(JSON.stringify(line)).not.toContain('secret');
  });

  test('strikes out what usually carries a secret, and keeps an error with its stack', () => {
    const [line] = logged((log) =>
      log.error(
        {
          err: new Error('no'),
          authorization: 'secret',
          headers: { authorization: 'secret' },
          config: { password: 'secret' },
          payload: 'secret',
        },
        'failed',
      ),
    );
    expect(JSON.stringify(line)).not.toContain('secret');
    expect(line?.['err']).toMatchObject({ message: 'no', stack: expect.stringContaining('log.test') });
  });
});
