import type { Globals } from '../command/globals.js';
import { Refused } from '../failure/refused.js';

/**
 * Asks before something that cannot be taken back; the default is no. `--yes` says it in advance. Where nobody can be
 * asked (no terminal, CI, `--no-input`, JSON) it is refused, unless `unasked` says that the verb itself is clear enough.
 *
 * @throws Refused `cli.needs_confirmation`, `cli.declined`
 */
export async function confirm(globals: Globals, question: string, unasked: 'refuse' | 'go' = 'refuse'): Promise<void> {
  if (globals.yes) return;
  if (!globals.mayAsk) {
    if (unasked === 'go') return;
    throw new Refused('cli.needs_confirmation', `${question} Nobody can be asked here`, {
      hint: 'say so with --yes, or look first with --dry-run',
    });
  }
  const { confirm: ask, isCancel } = await import('@clack/prompts');
  const answer = await ask({ message: question, initialValue: false, output: process.stderr });
  if (isCancel(answer)) throw new Refused('cli.interrupted', 'interrupted');
  if (!answer) throw new Refused('cli.declined', 'nothing was done');
}
