import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** Styled where that stream is a terminal that wants colours (`NO_COLOR`, `FORCE_COLOR`, `TERM=dumb`). */
export const styled = (style: Style, text: string, stream: NodeJS.WriteStream): string =>
  styleText(style, text, { stream });

/**
 * What agents, tools and servers wrote, safe to look at: control characters, escape sequences and the marks that turn the
 * direction of text are shown as `\u{1b}`, so that nothing on the screen is forged. Line breaks stay.
 */
export function plain(text: string): string {
  return text.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}

/** The same on one line. */
export const plainLine = (text: string): string => plain(text.replace(/\s*\n\s*/g, ' ')).replace(/\t/g, ' ');

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
const wide =
  /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u;

/** Columns that a text takes on a terminal. */
export function widthOf(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const { segment } of segmenter.segment(text)) width += wide.test(segment) ? 2 : 1;
  return width;
}

/** Cut to a width, with `…` where something is missing. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let kept = '';
  let used = 0;
  for (const { segment } of segmenter.segment(text)) {
    const next = widthOf(segment);
    if (used + next > width - 1) break;
    kept += segment;
    used += next;
  }
  return `${kept}…`;
}

/** `3s`, `4m`, `5h`, `2d` ago; the date itself where it is older than a month. */
export function ago(time: string | undefined, now = Date.now()): string {
  if (!time) return '';
  const seconds = Math.round((now - Date.parse(time)) / 1000);
  if (seconds < 0) return `in ${span(-seconds)}`;
  return seconds > 30 * 86_400 ? time.slice(0, 10) : `${span(seconds)} ago`;
}

function span(seconds: number): string {
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

/** `12:04:05.123` of a time, in the clock of this machine. */
export function clockTime(time: string | undefined): string {
  if (!time) return '';
  const date = new Date(time);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}
