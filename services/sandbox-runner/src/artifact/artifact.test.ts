import { describe, expect, test } from '@jest/globals';
import { artifactAggregate, type Artifact, type ArtifactCommand } from './artifact.js';

function after(...commands: ArtifactCommand[]): { events: string[]; artifact: Artifact } {
  const about = { subject: 'art_1' } as Parameters<typeof artifactAggregate.decide>[2];
  return commands.reduce<{ events: string[]; artifact: Artifact }>(
    ({ events, artifact }, command) => {
      const decided = artifactAggregate.decide(command, artifact, about);
      const evolved = decided.reduce<Artifact>(
        (state, { type, data }) => artifactAggregate.evolve(state, { type, data, time: '', subject: 'art_1' }),
        artifact,
      );
      return { events: [...events, ...decided.map(({ type }) => type)], artifact: evolved };
    },
    { events: [], artifact: artifactAggregate.initial },
  );
}

const from = { source: '/srv/code', name: 'code', ref: '' };
const imported = { ...from, commit: 'c0ffee', files: 3, bytes: 24, shallow: false };
const ask: ArtifactCommand = { type: 'import', ...from };
const done: ArtifactCommand = { type: 'complete', ...imported };
const fail: ArtifactCommand = { type: 'fail', code: 'artifact.empty', detail: 'no commit' };

describe('an artifact', () => {
  test('is imported', () => {
    expect(after(ask, done)).toEqual({
      events: ['artifact.import_requested.v1', 'artifact.imported.v1'],
      artifact: { status: 'ready', imported },
    });
  });

  test('is imported again, with a newer commit', () => {
    const newer = { ...imported, commit: 'deca1f' };
    expect(after(ask, done, ask, { type: 'complete', ...newer }).artifact).toEqual({
      status: 'ready',
      imported: newer,
    });
  });

  test('is not imported from anywhere else', () => {
    expect(() => after(ask, done, { ...ask, source: '/srv/other' })).toThrow('art_1 comes from /srv/code');
  });

  test('whose first import failed never was', () => {
    expect(after(ask, fail).artifact).toEqual({ status: 'none' });
  });

  test('whose second import failed is what it was', () => {
    expect(after(ask, done, ask, fail).artifact).toEqual({ status: 'ready', imported });
  });

  test('that is ready does not fail any more', () => {
    expect(after(ask, done, fail).events.length).toBe(2);
  });
});
