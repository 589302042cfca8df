import tab, { RootCommand, type Command } from '@bomb.sh/tab';
import type { Call } from '../command/call.js';
import { isNoun, type Argument, type Entry, type Option, type Verb } from '../command/command.js';
import { globalOptions } from '../command/globals.js';
import { longOf } from '../command/program.js';
import { Refused } from '../failure/refused.js';

const shells = ['bash', 'zsh', 'fish', 'powershell'];

/** The script that makes a shell ask `writ complete -- <words>` for suggestions. */
export async function script(call: Call, shell: string): Promise<void> {
  if (!shells.includes(shell))
    throw new Refused('cli.usage', `there is no completion for '${shell}'`, {
      hint: `there is for ${shells.join(', ')}`,
    });
  tab.setup('writ', 'writ', shell);
  call.out.say(`# load it in every new shell: see writ completion --help`);
}

/** Prints what could stand where the cursor is, made from the same tables as help and parser. */
export function suggest(entries: readonly Entry[], words: readonly string[]): void {
  const root = new RootCommand();
  addOptions(root, globalOptions);
  for (const entry of entries)
    if (isNoun(entry)) {
      root.command(entry.name, entry.about);
      for (const verb of entry.verbs) addVerb(root, `${entry.name} ${verb.name}`, verb);
    } else addVerb(root, entry.name, entry);
  root.parse([...words].slice(words[0] === '--' ? 1 : 0));
}

function addVerb(root: RootCommand, path: string, verb: Verb): void {
  const command = root.command(path, verb.about);
  addOptions(command, { ...verb.options, ...globalOptions });
  for (const [name, { kind }] of Object.entries(verb.arguments) as [string, Argument][])
    command.argument(
      name,
      name === 'shell' ? (complete) => shells.forEach((shell) => complete(shell, '')) : undefined,
      kind === 'rest',
    );
}

function addOptions(command: Command, options: Readonly<Record<string, Option>>): void {
  for (const [name, { about, value, choices, short }] of Object.entries(options)) {
    const long = longOf(name).slice(2);
    if (value === undefined) command.option(long, about, ...(short ? [short] : []));
    else command.option(long, about, (complete) => choices?.forEach((each) => complete(each, '')), short);
  }
}
