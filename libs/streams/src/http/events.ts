import { offsetOf } from '../offset.js';
import type { StreamPage } from '../store.js';
import { isText } from './exchange.js';
import { bodyOf, cursorOf } from './read.js';

/** Pages as server-sent events (WHATWG HTML, section 9.2): `data`, and behind each of them `control`. Ends when the stream is closed. */
export async function* eventsOf(
  pages: AsyncIterable<StreamPage>,
  given: number | undefined,
): AsyncGenerator<string, void, undefined> {
  let cursor = given;
  let [told, before] = ['', -1];
  for await (const page of pages) {
    const closed = page.upToDate && page.state.closed === true;
    cursor = Number(cursorOf(cursor, Date.now()));
    const control = JSON.stringify({
      streamNextOffset: offsetOf(page.next),
      ...(!closed && { streamCursor: String(cursor) }),
      ...(page.upToDate && { upToDate: true }),
      ...(closed && { streamClosed: true }),
    });
    const news = page.next !== before || closed || told === '';
    if (page.records.length > 0) yield `event: data\n${dataLines(page)}\n`;
    if (news) yield `event: control\ndata:${control}\n\n`;
    [told, before] = [control, page.next];
    if (closed) return;
  }
}

/** Every line break begins a line of data, so that no content can pass for an event. */
function dataLines(page: StreamPage): string {
  const body = bodyOf(page);
  const text = isText(page.state.type) ? body.toString('utf8') : body.toString('base64');
  return text
    .split(/\r\n|\r|\n/)
    .map((line) => `data:${line.startsWith(' ') ? ' ' : ''}${line}\n`)
    .join('');
}
