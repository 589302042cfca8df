import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';

/**
 * Reads `<name> [options]`. `--help` is always an option.
 *
 * @returns `wrong`, a sentence for people, instead of throwing: whoever calls answers it with the list of what there is
 */
export function readCommandLine<const T extends ParseArgsOptionsConfig>(argv: readonly string[], options: T) {
  try {
    const { values, positionals } = parse([...argv], options);
    const [name, ...rest] = positionals;
    if (rest.length > 0) return { wrong: `One name at a time: \`${name}\`, and not also \`${rest.join(' ')}\`.` };
    return { name, values };
  } catch (error) {
    if (error instanceof TypeError) return { wrong: error.message };
    throw error;
  }
}

const help = { help: { type: 'boolean', short: 'h', default: false } } as const;

function parse<const T extends ParseArgsOptionsConfig>(args: string[], options: T) {
  return parseArgs({ args, allowPositionals: true, options: { ...options, ...help } });
}

/** Prints the options and what there is. @returns the exit code */
export function list(usage: string, all: readonly { name: string; about: string }[]): number {
  console.log(usage);
  const width = Math.max(...all.map(({ name }) => name.length)) + 1;
  for (const { name, about } of all) console.log(`  ${name.padEnd(width)} ${about}`);
  return 0;
}

/** Says what was wrong. @returns the exit code */
export function refuse(command: string, wrong: string): number {
  console.error(`${wrong}\nWhat there is: ${command} -- --help`);
  return 2;
}
