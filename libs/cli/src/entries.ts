import { agent } from './agent/agent.commands.js';
import { approval } from './approval/approval.commands.js';
import { audit } from './audit/audit.commands.js';
import { backup, restore } from './backup/backup.commands.js';
import { batch } from './batch/batch.commands.js';
import type { Entry } from './command/command.js';
import { completion } from './completion/completion.commands.js';
import { dev } from './dev/dev.commands.js';
import { doctor } from './doctor/doctor.commands.js';
import { memory } from './memory/memory.commands.js';
import { policy } from './policy/policy.commands.js';
import { project } from './project/project.commands.js';
import { queue } from './queue/queue.commands.js';
import { ramp } from './ramp/ramp.commands.js';
import { retention } from './retention/retention.commands.js';
import { revoke } from './revoke/revoke.commands.js';
import { run } from './run/run.commands.js';
import { sandbox } from './sandbox/sandbox.commands.js';
import { schedule } from './schedule/schedule.commands.js';
import { status } from './status/status.commands.js';
import { tool } from './tool/tool.commands.js';

/** The whole of `writ`, in the order of its help. */
export const entries: readonly Entry[] = [
  dev,
  doctor,
  status,
  revoke,
  run,
  batch,
  schedule,
  queue,
  ramp,
  agent,
  approval,
  policy,
  audit,
  sandbox,
  memory,
  tool,
  retention,
  project,
  backup,
  restore,
  completion,
];
