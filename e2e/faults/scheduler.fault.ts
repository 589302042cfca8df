import type { Fault } from './fault.js';
import { soakScheduler } from './scheduler/soak.js';

export const fault: Fault = {
  name: 'scheduler',
  about:
    'the scheduler killed (SIGKILL) under 1,000 runs that sleep, wait, work, ask and have children; alone and with a replica',
  async run(report) {
    for (const replica of [false, true]) {
      const runs = { sleeper: 250, listener: 250, worker: 200, asker: 100, parent: 100 };
      const { runs: all, firstEndMs, allEndedMs, broken } = await soakScheduler({ runs, replica, say: report.tells });
      if (broken.length > 0) throw new Error(broken.slice(0, 20).join('\n'));
      report.holds(
        `${replica ? 'with a second replica' : 'alone'}: all ${all} runs ended right and once; ` +
          `after the kill the first end came after ${firstEndMs} ms, the last after ${allEndedMs} ms`,
      );
    }
  },
};
