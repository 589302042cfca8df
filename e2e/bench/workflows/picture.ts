/** Bars as plain SVG, to be read beside the table that has the numbers. */
import { short } from '../bench.js';

export interface Bar {
  readonly label: string;
  readonly value: number;
  readonly color: string;
}

export interface BarGroup {
  readonly title: string;
  readonly bars: readonly Bar[];
}

const [WIDTH, LABELS, BAR, GAP, TITLE] = [760, 150, 20, 6, 30] as const;

/** Each group has a scale of its own, from zero. */
export function barChart(title: string, groups: readonly BarGroup[]): string {
  const lines: string[] = [];
  let y = 34;
  for (const group of groups) {
    lines.push(text(16, y + 14, group.title, 'font-weight="600"'));
    y += TITLE;
    const scale = (WIDTH - LABELS - 110) / Math.max(...group.bars.map(({ value }) => value));
    for (const { label, value, color } of group.bars) {
      const width = Math.max(1, Math.round(value * scale));
      lines.push(text(LABELS - 8, y + 14, label, 'text-anchor="end"'));
      lines.push(`<rect x="${LABELS}" y="${y}" width="${width}" height="${BAR}" fill="${color}"/>`);
      lines.push(text(LABELS + width + 6, y + 14, short(value)));
      y += BAR + GAP;
    }
    y += 12;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" font-family="sans-serif" font-size="13">`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    text(16, 22, title, 'font-size="15" font-weight="600"'),
    ...lines,
    '</svg>',
    '',
  ].join('\n');
}

function text(x: number, y: number, what: string, attributes = ''): string {
  const safe = what.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x}" y="${y}" fill="#1f2328" ${attributes}>${safe}</text>`;
}
