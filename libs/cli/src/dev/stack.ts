import { existsSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { alive } from '../command/call.js';
import { jsonFile } from '../config/settings.js';
import { Refused } from '../failure/refused.js';
import { Child } from './child.js';

/** What the embedded stack says when it serves; the same stands in `stack.json` of its data folder. */
export interface Ready {
  readonly url: string;
  readonly grpc: string;
  readonly durability: string;
  readonly natsServer: string;
  readonly operatorKeyFile: string;
  readonly pid: number;
}

export interface Stack {
  readonly ready: Ready;
  /** Absent where it was running already: then it is not ours to stop. */
  readonly child?: Child;
}

/**
 * The stack of a data folder: the one that runs on it, else one that is started.
 *
 * @param tell gets what it writes besides its readiness
 * @throws Refused `cli.stack_failed`
 */
export async function openStack(
  folder: string,
  port: number | undefined,
  signal: AbortSignal,
  tell: (line: string) => void,
): Promise<Stack> {
  const there = (await jsonFile(path.join(folder, 'stack.json'))) as Ready | undefined;
  if (there && alive(there.pid) && (await answers(there.url))) return { ready: there };
  const args = [standalone(), '--json', '--data', folder, ...(port === undefined ? [] : ['--port', String(port)])];
  const child = new Child(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  try {
    return { ready: await readyOf(child, signal, tell), child };
  } catch (error) {
    await child.stop();
    throw error;
  }
}

async function answers(url: string): Promise<boolean> {
  const response = await fetch(`${url}/.well-known/writ`, { signal: AbortSignal.timeout(2_000) }).catch(
    () => undefined,
  );
  return response?.ok === true;
}

/** The program of the embedded stack: of this checkout, or named by WRIT_STANDALONE. */
function standalone(): string {
  const here = path.dirname(fileURLToPath(import.meta.url));
  const file = process.env['WRIT_STANDALONE'] ?? path.resolve(here, '../../../../services/standalone/dist/main.js');
  if (existsSync(file)) return file;
  throw new Refused('cli.stack_failed', `the embedded stack is not here: ${file}`, {
    hint: 'run `npm run build` in a clone of the repository, or name its main.js in WRIT_STANDALONE',
  });
}

function readyOf(child: Child, signal: AbortSignal, tell: (line: string) => void): Promise<Ready> {
  const { stdout, stderr } = child.process;
  createInterface({ input: stderr as NodeJS.ReadableStream }).on('line', tell);
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    void child.ended.then((how) =>
      reject(
        new Refused('cli.stack_failed', `the stack ended before it was ready (${how})`, {
          hint: 'what it said stands above; `writ doctor` looks for what is missing',
        }),
      ),
    );
    createInterface({ input: stdout as NodeJS.ReadableStream }).on('line', (line) => {
      const ready = line.startsWith('{"ready"') ? (JSON.parse(line) as { ready: Ready }).ready : undefined;
      if (ready) resolve(ready);
      else tell(line);
    });
  });
}
