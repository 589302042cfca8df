const [quote, backslash, comma] = ['"'.charCodeAt(0), '\\'.charCodeAt(0), ','.charCodeAt(0)];
const opens: ReadonlySet<number> = new Set(['[', '{'].map((character) => character.charCodeAt(0)));
const closes: ReadonlySet<number> = new Set([']', '}'].map((character) => character.charCodeAt(0)));

/**
 * The messages of a JSON body, as they were written: the elements where it is an array, one level deep, else the value itself.
 * @throws SyntaxError for what is no JSON
 */
export function messagesOf(body: Uint8Array): string[] {
  const text = new TextDecoder('utf-8', { fatal: true }).decode(body).trim();
  return Array.isArray(JSON.parse(text)) ? elementsOf(text.slice(1, -1)) : [text];
}

/** Splits what stands between the brackets of an array. Numbers keep their digits, which a value of JavaScript would lose. */
export function elementsOf(inside: string): string[] {
  if (inside.trim() === '') return [];
  const elements: string[] = [];
  let [depth, from, inString] = [0, 0, false];
  for (let at = 0; at < inside.length; at++) {
    const code = inside.charCodeAt(at);
    if (inString) {
      if (code === backslash) at++;
      else if (code === quote) inString = false;
    } else if (code === quote) inString = true;
    else if (opens.has(code)) depth++;
    else if (closes.has(code)) depth--;
    else if (code === comma && depth === 0) {
      elements.push(inside.slice(from, at).trim());
      from = at + 1;
    }
  }
  return [...elements, inside.slice(from).trim()];
}
