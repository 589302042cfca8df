/** Whether a text may go through the API, which refuses U+0000 (PostgreSQL holds none) and halves of characters. */
export const isPlain = (text: string): boolean => !text.includes('\u0000') && text.isWellFormed();

/** What is no text in a text, such as in the words of an error, becomes U+FFFD: it must not keep a run from telling how it ended. */
export const plain = (text: string): string =>
  isPlain(text) ? text : text.toWellFormed().replaceAll('\u0000', '\ufffd');
