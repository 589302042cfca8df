import { describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import fc from 'fast-check';
import type { LedgerEvent } from '../domain/events.js';
import { entryBytes, rememberMost, rememberMs, SeenCommands, type Seen } from './dedup.js';

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

/** By way of a snapshot that comes in pieces. */
function copyOf(seen: SeenCommands): SeenCommands {
  const copy = new SeenCommands();
  const bytes = seen.snapshot();
  for (let from = 0; from < bytes.length; from += 100 * entryBytes)
    copy.restore(Buffer.from(bytes.subarray(from, from + 100 * entryBytes)));
  return copy;
}

describe('the memory of commands', () => {
  test('knows where the events of a command are', () => {
    const seen = new SeenCommands();
    for (const [index, cause] of ['cmd_a', 'cmd_b', 'cmd_b', 'cmd_b', 'cmd_c'].entries())
      seen.evolve(event(cause), 7, index);
    expect(seen.find('tnt_1', 'cmd_b')).toMatchObject({ commit: 7, index: 1, count: 3 });
    expect(seen.find('tnt_2', 'cmd_b')).toBeUndefined();
    expect(seen.find('tnt_1', 'cmd_d')).toBeUndefined();
  });

  test('keeps the commands of two tenants apart that have one id', () => {
    verifies('tenants.apart');
    const seen = new SeenCommands();
    for (const [index, tenant] of ['tnt_1', 'tnt_2', 'tnt_2'].entries())
      seen.evolve(event('cmd_a', 0, { tenant }), 7, index);
    for (const each of [seen, copyOf(seen)]) {
      expect(each.find('tnt_1', 'cmd_a')).toMatchObject({ index: 0, count: 1 });
      expect(each.find('tnt_2', 'cmd_a')).toMatchObject({ index: 1, count: 2 });
    }
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

  test('is that of a plain list, however long and wherever it was restored', () => {
    const steps = fc.array(
      fc.record({ command: fc.nat(4_000), minutes: fc.nat(40), times: fc.integer({ min: 1, max: 600 }) }),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(steps, fc.nat(12), (story, cut) => {
        let seen = new SeenCommands();
        const plain = new Map<string, Seen>();
        let [commit, ms] = [2 ** 33, 2 ** 41];
        for (const [at, { command, minutes, times }] of story.entries()) {
          ms += (minutes * 60_000) / 10;
          for (let i = 0; i < times; i++) {
            const id = `cmd_${command + i}`;
            seen.evolve(event(id, ms), ++commit, 3);
            if (!plain.has(id)) plain.set(id, { commit, index: 3, count: 1, timeMs: ms });
            for (const [old, { timeMs }] of plain) {
              if (timeMs >= ms - rememberMs) break;
              plain.delete(old);
            }
          }
          if (at === cut) seen = copyOf(seen);
        }
        expect(seen.size).toBe(plain.size);
        const wrong = Array.from({ length: 4_600 }, (_, i) => `cmd_${i}`).filter(
          (id) => JSON.stringify(seen.find('tnt_1', id)) !== JSON.stringify(plain.get(id)),
        );
        expect(wrong).toEqual([]);
      }),
      { numRuns: 30 },
    );
  });
});
