import { access } from 'node:fs/promises';
import path from 'node:path';
import type { Call } from '../command/call.js';
import { exit } from '../failure/exit-code.js';
import { Refused } from '../failure/refused.js';
import { fields } from '../output/table.js';
import { styled } from '../output/text.js';
import { version } from '../version.js';
import { Child } from './child.js';
import { prepareProject, type DevProject } from './dev-project.js';
import { openStack, type Stack } from './stack.js';

interface DevOptions {
  data?: string | undefined;
  port?: number | undefined;
}

/** Runs until Ctrl-C, which is its normal end, or until the stack is gone. */
export async function runDev(
  call: Call,
  worker: string | undefined,
  { data = '.writ', port }: DevOptions,
): Promise<number> {
  const file = worker === undefined ? undefined : await programAt(worker);
  const folder = path.resolve(data);
  call.out.say(styled('dim', '  starting; Ctrl-C stops it', process.stderr));
  const stack = await openStack(folder, port, call.signal, (line) => process.stderr.write(`${line}\n`));
  let running: Child | undefined;
  try {
    const project = await prepareProject(call, folder, stack.ready);
    if (file !== undefined) running = startWorker(file, stack, project, call.out.machine);
    if (call.out.machine) call.out.line({ ready: { ...stack.ready, ...project, worker: worker ?? null } });
    else call.out.data(beginning(folder, stack, project, worker));
    if (!stack.child && !running) return exit.ok; // somebody else's stack, and nothing of ours to wait for
    await Promise.race([interrupted(call.signal), ...(stack.child ? [gone(stack.child)] : [])]);
    return exit.ok;
  } finally {
    if (call.signal.aborted) call.out.say('\n  stopping: what is in flight is finished');
    await running?.stop();
    await stack.child?.stop();
  }
}

async function programAt(worker: string): Promise<string> {
  const file = path.resolve(worker);
  await access(file).catch(() => {
    throw new Refused('cli.bad_input', `there is no file ${worker}`, { hint: 'name the program that calls `serve`' });
  });
  return file;
}

/** Node's own watch mode restarts it; the runs that it had go on by replay. */
function startWorker(file: string, { ready }: Stack, project: DevProject, machine: boolean): Child {
  return new Child(process.execPath, ['--watch', '--watch-preserve-output', file], {
    env: { WRIT_URL: ready.url, WRIT_KEY_FILE: project.agentKeyFile, WRIT_TOKEN: undefined, WRIT_PROJECT: undefined },
    stdio: ['ignore', machine ? 2 : 1, 2],
  });
}

function interrupted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

async function gone(stack: Child): Promise<never> {
  const how = await stack.ended;
  throw new Refused('cli.stack_failed', `the stack ended by itself (${how})`, {
    hint: 'what it said last stands above',
  });
}

function beginning(folder: string, { ready, child }: Stack, project: DevProject, worker: string | undefined): string {
  const out = process.stdout;
  const data = path.relative(process.cwd(), folder) || folder;
  const title = `  ${styled('bold', `writ dev ${version}`, out)}   data ${data} (kept)   not for production`;
  const lines = fields(
    [
      ['api', `${ready.url}/v1   read it at ${ready.url}/`],
      ['grpc', ready.grpc],
      ['mcp', `${ready.url}/mcp`],
      ['durability', `${ready.durability}   nats-server ${ready.natsServer}`],
      ['project', `${project.project}   agent ${project.agent}`],
      ['policy', project.permissive ? 'everything is permitted, until `writ policy push <files>`' : 'yours'],
      ['worker', worker && `${worker}   restarts when it changes`],
      ['stack', child ? '' : `was running already (process ${ready.pid})`],
      ['try', worker ? "writ run start <workflow> --input '{}' --watch" : 'writ status   writ dev worker.ts'],
    ],
    out,
  );
  return `\n${title}\n\n${lines.replace(/^/gm, '    ').trimEnd()}\n\n`;
}
