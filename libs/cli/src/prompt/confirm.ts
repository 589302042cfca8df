import { createInterface } from 'node:readline/promises';
import type { Call } from '../command/call.js';
import { Refused } from '../failure/refused.js';
import { styled } from '../output/text.js';

/**
 * Asks before something that cannot be taken back; the default is no. `--yes` says it in advance. Where nobody can be
 * asked (no terminal, CI, `--no-input`, JSON) it is refused, unless `unasked` says that the verb itself is clear enough.
 *
 * @throws Refused `cli.needs_confirmation`, `cli.declined`, `cli.interrupted`
 */
export async function confirm(call: Call, question: string, unasked: 'refuse' | 'go' = 'refuse'): Promise<void> {
  const { yes, mayAsk } = call.globals;
  if (yes || (!mayAsk && unasked === 'go')) return;
  if (!mayAsk)
    throw new Refused('cli.needs_confirmation', `${question} Nobody can be asked here`, {
      hint: 'say so with --yes, or look first with --dry-run',
    });
  const answer = await ask(`${styled('bold', question, process.stderr)} [y/N] `, call.signal);
  if (!/^y(es)?$/i.test(answer.trim())) throw new Refused('cli.declined', 'nothing was done');
}

async function ask(question: string, signal: AbortSignal): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const leave = new AbortController();
  // In its raw mode the terminal gives Ctrl-C and Ctrl-D to readline, not to the process.
  terminal.once('SIGINT', () => leave.abort()).once('close', () => leave.abort());
  try {
    return await terminal.question(question, { signal: AbortSignal.any([signal, leave.signal]) });
  } catch (cause) {
    process.stderr.write('\n');
    throw new Refused('cli.interrupted', 'interrupted', { cause });
  } finally {
    terminal.close();
  }
}
