import { CommanderError, type Command } from 'commander';
import { Call } from './command/call.js';
import { isNoun } from './command/command.js';
import { globalsOf } from './command/globals.js';
import { programOf, type Chosen } from './command/program.js';
import { entries } from './entries.js';
import { exit, exitCodeOf } from './failure/exit-code.js';
import { Refused, problemOf } from './failure/refused.js';
import { report } from './failure/report.js';
import { version } from './version.js';

/** Runs one command line, without `node` and `writ`. Resolves with the exit code; everything else is on the streams. */
export async function main(argv: readonly string[]): Promise<number> {
  endQuietlyWithTheReader();
  if (argv[0] === 'complete') return complete(argv.slice(1));
  const json = asksForJson(argv);
  try {
    const chosen = await parse(argv);
    return typeof chosen === 'number' ? chosen : await run(chosen);
  } catch (error) {
    const problem = problemOf(error);
    if (problem.code === 'cli.failed' && process.env['WRIT_DEBUG']) process.stderr.write(`${(error as Error).stack}\n`);
    if (problem.code !== 'cli.interrupted') report(problem, json);
    return exitCodeOf(problem);
  }
}

async function run({ verb, given, options, globals: flags }: Chosen): Promise<number> {
  if (flags['color'] === false) process.env['NO_COLOR'] = '1';
  const terminal = process.stdin.isTTY && process.stderr.isTTY;
  const globals = globalsOf(flags, process.env, terminal);
  return interruptible(async (signal) => (await verb.act(new Call(globals, signal), given, options)) ?? exit.ok);
}

/** What was chosen, or the exit code of a help or a version. @throws Refused `cli.usage` */
async function parse(argv: readonly string[]): Promise<Chosen | number> {
  let chosen: Chosen | undefined;
  let told = '';
  const streams = {
    out: (text: string) => void process.stdout.write(text),
    err: (text: string) => void (told += text),
    columns: process.stdout.columns || undefined,
  };
  const program: Command = programOf(entries, version, streams, (picked) => (chosen = picked));
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return exit.ok;
    if (error.code === 'commander.help') {
      process.stderr.write(told); // a noun without its verb
      return exit.usage;
    }
    throw usageOf(error.message, argv);
  }
  if (chosen) return chosen;
  throw usageOf('there is nothing to do', argv);
}

/** Commander's `error: unknown option '--jsn'\n(Did you mean --json?)` as a problem. */
function usageOf(message: string, argv: readonly string[]): Refused {
  const [, detail = message, similar] = /^(?:error: )?(.*?)(?:\s*\((Did you mean .*)\))?$/s.exec(message) ?? [];
  const words = argv.filter((word) => !word.startsWith('-')).slice(0, 2);
  const known = entries.find(({ name }) => name === words[0]);
  const hasVerb = known && isNoun(known) && known.verbs.some(({ name }) => name === words[1]);
  const path = words.slice(0, known ? (hasVerb ? 2 : 1) : 0);
  const help = `writ ${path.join(' ')}${path.length > 0 ? ' ' : ''}--help`;
  return new Refused('cli.usage', detail, { hint: similar === undefined ? help : `${similar}  ${help}` });
}

// Also where the command line cannot be parsed, a program that asked for JSON gets JSON.
function asksForJson(argv: readonly string[]): boolean {
  const flags = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv;
  return flags.some(
    (word, at) =>
      /^(--json|--output=jsonl?|-ojsonl?)$/.test(word) ||
      (/^(-o|--output)$/.test(word) && /^jsonl?$/.test(flags[at + 1] ?? '')),
  );
}

/** The first Ctrl-C lets the command clean up, the second one does not wait. */
async function interruptible(act: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const controller = new AbortController();
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(exit.interrupted);
    controller.abort(new Refused('cli.interrupted', 'interrupted'));
  };
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.on(signal, interrupt);
  try {
    return await act(controller.signal);
  } catch (error) {
    if (!controller.signal.aborted) throw error;
    return exit.interrupted;
  } finally {
    for (const signal of signals) process.off(signal, interrupt);
  }
}

/** `writ audit search | head` ends when `head` has enough. */
function endQuietlyWithTheReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
}

/** What the completion scripts of the shells ask: `writ complete -- run li`. */
async function complete(words: readonly string[]): Promise<number> {
  const { suggest } = await import('./completion/completion.actions.js');
  suggest(entries, words);
  return exit.ok;
}
