import { Command, InvalidArgumentError, Option as CommanderOption } from 'commander';
import { isNoun, type Entry, type Option, type Verb } from './command.js';
import { globalOptions } from './globals.js';

/** What the command line asks for. */
export interface Chosen {
  readonly verb: Verb;
  readonly given: Record<string, unknown>;
  readonly options: Record<string, unknown>;
  readonly globals: Record<string, unknown>;
}

export interface Streams {
  out(text: string): void;
  err(text: string): void;
  /** Columns of the terminal; undefined where there is none. */
  readonly columns: number | undefined;
}

/** The parser of the whole tree. It runs nothing: `choose` is told what was asked for. */
export function programOf(
  entries: readonly Entry[],
  version: string,
  streams: Streams,
  choose: (chosen: Chosen) => void,
): Command {
  const program = new Command('writ')
    .description('Run agents that are governed: durable, isolated, under policy, on the record.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help of a command')
    .exitOverride()
    .configureHelp({ helpWidth: Math.min(streams.columns ?? 100, 110), showGlobalOptions: false })
    .configureOutput({ writeOut: streams.out, writeErr: streams.err, outputError: () => {} });
  for (const [name, option] of Object.entries(globalOptions)) program.addOption(parserOf(name, option));
  program.addHelpText('after', `${examplesText(rootExamples)}\nExit codes: ${exitCodes}`);
  for (const entry of entries) {
    if (isNoun(entry)) {
      const noun = program.command(entry.name).description(entry.about).helpGroup('Things:').helpCommand(false);
      for (const verb of entry.verbs) addVerb(noun, verb, choose);
      noun.addHelpText('after', `\n\`writ ${entry.name} <verb> --help\` has examples. Global flags: \`writ --help\`.`);
    } else addVerb(program, entry, choose).helpGroup('Daily:');
  }
  return program;
}

const rootExamples = [
  'dev worker.ts',
  'run start hello --input \'{"name":"Ada"}\' --watch',
  'approval list',
  "revoke agt_… --reason 'key leaked'",
  'audit search --run run_… --json',
];
const exitCodes = `0 ok · 1 failed · 2 usage · 3 not found · 4 not authenticated · 5 denied · 6 conflict
7 unreachable or timed out · 8 what was waited for ended badly · 10 a check found something · 130 interrupted`;

function addVerb(parent: Command, verb: Verb, choose: (chosen: Chosen) => void): Command {
  const command = parent.command(verb.name).description(verb.more ? `${verb.about}\n\n${verb.more}` : verb.about);
  command.summary(verb.about);
  for (const [name, { kind, about }] of Object.entries(verb.arguments))
    command.argument({ one: `<${name}>`, optional: `[${name}]`, rest: `[${name}...]` }[kind], about);
  for (const [name, option] of Object.entries(verb.options)) command.addOption(parserOf(name, option));
  const inherited = parent.parent ? 'Global flags (--json, -o, --profile, --project …): `writ --help`.' : '';
  command.addHelpText('after', `${examplesText(verb.examples)}${inherited && `\n${inherited}`}`);
  command.action((...all: unknown[]) => {
    const values = all.slice(0, Object.keys(verb.arguments).length);
    const given = Object.fromEntries(Object.keys(verb.arguments).map((name, index) => [name, values[index]]));
    choose({ verb, given, options: withFlags(verb, command.opts()), globals: rootOf(command).opts() });
  });
  return command;
}

/** Flags and lists that were not given have a value all the same. */
function withFlags({ options }: Verb, given: Record<string, unknown>): Record<string, unknown> {
  const whole = { ...given };
  for (const [name, { kind }] of Object.entries(options)) {
    if (kind === 'flag') whole[name] ??= false;
    if (kind === 'list') whole[name] ??= [];
  }
  return whole;
}

function rootOf(command: Command): Command {
  return command.parent ? rootOf(command.parent) : command;
}

/** `dryRun` is `--dry-run`. */
export const longOf = (name: string): string => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

function parserOf(name: string, { about, value, kind, required, choices, short }: Option): CommanderOption {
  const names = [...(short ? [`-${short}`] : []), longOf(name)].join(', ');
  const option = new CommanderOption(value ? `${names} ${value}` : names, about);
  if (required) option.makeOptionMandatory();
  if (kind === 'number') option.argParser(numberOf);
  else if (kind === 'list') option.argParser((text: string, before: string[] | undefined) => [...(before ?? []), text]);
  else if (choices) option.argParser((text: string) => chosenOf(text, choices));
  return option;
}

function numberOf(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError('It must be a number that is not negative.');
  return value;
}

// Commander's own `choices` adds a second list to the help, which the placeholder shows already.
function chosenOf(text: string, choices: readonly string[]): string {
  if (choices.includes(text)) return text;
  throw new InvalidArgumentError(`Allowed choices are ${choices.join(', ')}.`);
}

function examplesText(examples: readonly string[]): string {
  return examples.length === 0 ? '' : `\nExamples:\n${examples.map((line) => `  $ writ ${line}\n`).join('')}`;
}
