import DefaultSequencer from '@jest/test-sequencer';

/** What a file takes where nobody has seen it run yet: its kind tells more than its size does. */
const usualMs = [
  [/\/e2e\/stories\//, 30_000],
  [/\.int\.test\.ts$/, 8_000],
  [/./, 500],
];

/** @param {{ path: string, duration?: number }} test with what it took last, where that is known */
export function expectedMs({ path, duration }) {
  return duration ?? usualMs.find(([kind]) => kind.test(path))[1];
}

/** The longest first, so that no worker is left with a long file when the others have nothing more to do. */
export default class Sequencer extends DefaultSequencer {
  sort(tests) {
    const known = super.sort(tests); // by failures and size; it also tells what each took last
    return known.toSorted((one, other) => expectedMs(other) - expectedMs(one));
  }
}
