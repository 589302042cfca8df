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
