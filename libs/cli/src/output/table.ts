import { cut, plainLine, styled, widthOf } from './text.js';

/** One column: its head and what stands in it. */
export interface Column<T> {
  readonly head: string;
  of(row: T): string | number | undefined;
  /** To the right, as numbers stand. */
  readonly right?: boolean;
  /** May be cut where the terminal is narrow; ids and times are not. */
  readonly flexible?: boolean;
}

const gap = '  ';

/**
 * Aligned columns. `columns` of the terminal cut what is flexible; without a terminal nothing is cut and nothing is
 * coloured.
 */
export function table<T>(rows: readonly T[], shape: readonly Column<T>[], stream: NodeJS.WriteStream): string {
  const cells = rows.map((row) => shape.map((column) => plainLine(String(column.of(row) ?? ''))));
  const widths = shape.map(({ head }, at) => Math.max(widthOf(head), ...cells.map((line) => widthOf(line[at] ?? ''))));
  if (stream.isTTY) shrink(widths, shape, stream.columns || 80);
  const line = (texts: readonly string[]) =>
    shape
      .map(({ right }, at) => {
        const width = widths[at] ?? 0;
        const text = stream.isTTY ? cut(texts[at] ?? '', width) : (texts[at] ?? '');
        const pad = ' '.repeat(Math.max(0, width - widthOf(text)));
        return right ? pad + text : text + pad;
      })
      .join(gap)
      .trimEnd();
  const head = styled('dim', line(shape.map((column) => column.head)), stream);
  return [head, ...cells.map(line)].map((text) => `${text}\n`).join('');
}

/** Takes from the widest flexible column, column by column, until it fits or is 12 wide. */
function shrink(widths: number[], shape: readonly Column<never>[], available: number): void {
  const total = () => widths.reduce((sum, width) => sum + width + gap.length, -gap.length);
  while (total() > available) {
    let widest = -1;
    for (const [at, { flexible }] of shape.entries())
      if (flexible && (widths[at] ?? 0) > Math.max(12, widths[widest] ?? 0)) widest = at;
    if (widest < 0) return;
    widths[widest] = Math.max(12, (widths[widest] ?? 0) - (total() - available));
  }
}

/** `name  value` lines; what is empty is left out. */
export function fields(
  pairs: readonly (readonly [string, string | number | undefined])[],
  stream: NodeJS.WriteStream,
): string {
  const shown = pairs.filter(([, value]) => value !== undefined && value !== '');
  const width = Math.max(...shown.map(([name]) => name.length));
  return shown
    .map(([name, value]) => {
      const indented = String(value)
        .split('\n')
        .map(plainLine)
        .join(`\n${' '.repeat(width + gap.length)}`);
      return `${styled('dim', name.padEnd(width), stream)}${gap}${indented}\n`;
    })
    .join('');
}
