import { describe, expect, test } from '@jest/globals';
import type { LedgerEvent } from '../domain/events.js';
import { rememberMost, rememberMs, SeenCommands } from './dedup.js';

const event = (cause: string, ms = 0, more: Partial<LedgerEvent> = {}): LedgerEvent => ({
  specversion: '1.0',
  id: 'evt',
  type: 't.done.v1',
  source: 's/00',
  subject: 'x',
  time: new Date(ms).toISOString(),
  data: null,
  tenant: 'tnt_1',
  actor: { principal: 'p', kind: 'service' },
  cause,
  ...more,
});

describe('the memory of commands', () => {
  test('knows where the events of a command are', () => {
    const seen = new SeenCommands();
    for (const [index, cause] of ['cmd_a', 'cmd_b', 'cmd_b', 'cmd_b', 'cmd_c'].entries())
      seen.evolve(event(cause), 7, index);
    expect(seen.find('tnt_1', 'cmd_b')).toMatchObject({ commit: 7, index: 1, count: 3 });
    expect(seen.find('tnt_2', 'cmd_b')).toBeUndefined();
    expect(seen.find('tnt_1', 'cmd_d')).toBeUndefined();
  });

  test('goes by the command, not by the event that it reacts to', () => {
    const seen = new SeenCommands();
    seen.evolve(event('evt_cause', 0, { command: 'cmd_a' }), 1, 0);
    expect(seen.find('tnt_1', 'cmd_a')).toBeDefined();
    expect(seen.find('tnt_1', 'evt_cause')).toBeUndefined();
  });

  test('forgets after 15 minutes of event time', () => {
    const seen = new SeenCommands();
    seen.evolve(event('cmd_old', 0), 1, 0);
    seen.evolve(event('cmd_young', 1), 2, 0);
    seen.evolve(event('cmd_now', rememberMs + 1), 3, 0);
    expect(seen.find('tnt_1', 'cmd_old')).toBeUndefined();
    expect(seen.find('tnt_1', 'cmd_young')).toBeDefined();
  });

  test('is bounded', () => {
    const seen = new SeenCommands();
    for (let i = 0; i <= rememberMost; i++) seen.evolve(event(`cmd_${i}`), i + 1, 0);
    expect(seen.size).toBe(rememberMost);
    expect(seen.find('tnt_1', 'cmd_0')).toBeUndefined();
    expect(seen.find('tnt_1', 'cmd_1')).toBeDefined();
  });

  test('survives its snapshot', () => {
    const seen = new SeenCommands();
    seen.evolve(event('cmd_a', 5), 1, 0);
    seen.evolve(event('cmd_a', 5), 1, 1);
    const copy = new SeenCommands();
    copy.restore(JSON.parse(JSON.stringify(seen.snapshot())));
    expect(copy.find('tnt_1', 'cmd_a')).toEqual(seen.find('tnt_1', 'cmd_a'));
  });
});
