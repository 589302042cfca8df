/**
 * Loaded into a child process (`NODE_OPTIONS=--import=…`), it lets its parent set the wall clock: SIGUSR2 sets it to the
 * next of `WRIT_TEST_CLOCK_SHIFTS` (milliseconds beside the real time, separated by commas). As when somebody sets the
 * clock of a machine, `Date` jumps, and timers and `performance.now()` do not.
 */
const shifts = (process.env.WRIT_TEST_CLOCK_SHIFTS ?? '').split(',').map(Number);
const Real = Date;
let shift = 0;

class ShiftedDate extends Real {
  constructor(...args) {
    if (args.length === 0) super(Real.now() + shift);
    else super(...args);
  }

  static now() {
    return Real.now() + shift;
  }
}
globalThis.Date = ShiftedDate;
process.on('SIGUSR2', () => {
  shift = shifts.shift() ?? 0;
  console.log(`the clock is set to ${new Date().toISOString()}`);
});
