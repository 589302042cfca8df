/**
 * The path templates of `google.api.http` (google/api/http.proto, "Path template syntax"):
 *
 *     Template = "/" Segments [ Verb ] ;   Segment = "*" | "**" | LITERAL | Variable ;
 *     Variable = "{" FieldPath [ "=" Segments ] "}" ;   Verb = ":" LITERAL ;
 */
export type Segment = { kind: 'literal'; text: string } | { kind: 'one' } | { kind: 'rest' };

/** A request field that a part of the path fills: the segments `from` (inclusive) to `to` (exclusive). */
export interface PathVariable {
  /** Proto names, outermost first: `item.id` is `['item', 'id']`. */
  field: readonly string[];
  from: number;
  to: number;
  /** The variable may hold slashes: more than one segment, or `**`. */
  multiple: boolean;
}

export interface PathTemplate {
  /** As written in the .proto file. */
  source: string;
  segments: readonly Segment[];
  variables: readonly PathVariable[];
  /** `stop` of `/v1/items/{id}:stop`. */
  verb?: string;
}

/** @throws Error when the template is not well formed, or has `**` anywhere but at its end. */
export function parseTemplate(source: string): PathTemplate {
  const segments: Segment[] = [];
  const variables: PathVariable[] = [];
  const { body, verb } = splitVerb(source);
  const parts = splitOutsideBraces(body);
  if (parts.join('/') !== body) throw malformed(source, 'an empty segment, or a brace that is not closed');
  for (const part of parts) {
    const variable = /^\{([a-z0-9_.]+)(?:=(.+))?\}$/.exec(part);
    if (!variable) {
      segments.push(segmentOf(part, source));
      continue;
    }
    const from = segments.length;
    for (const inner of (variable[2] ?? '*').split('/')) segments.push(segmentOf(inner, source));
    const to = segments.length;
    const multiple = to - from > 1 || segments[from]?.kind === 'rest';
    variables.push({ field: (variable[1] as string).split('.'), from, to, multiple });
  }
  if (segments.slice(0, -1).some((segment) => segment.kind === 'rest'))
    throw malformed(source, '** may only stand at the end');
  return { source, segments, variables, ...(verb !== undefined && { verb }) };
}

function splitVerb(source: string): { body: string; verb?: string } {
  if (!source.startsWith('/')) throw malformed(source, 'it must start with a slash');
  const colon = source.indexOf(':', source.lastIndexOf('}') + 1);
  return colon < 0 ? { body: source.slice(1) } : { body: source.slice(1, colon), verb: source.slice(colon + 1) };
}

function splitOutsideBraces(body: string): string[] {
  return body.match(/(?:\{[^}]*\}|[^/{}])+/g) ?? [];
}

function segmentOf(text: string, source: string): Segment {
  if (text === '*') return { kind: 'one' };
  if (text === '**') return { kind: 'rest' };
  if (!/^[A-Za-z0-9._~-]+$/.test(text)) throw malformed(source, `"${text}" is no path segment`);
  return { kind: 'literal', text };
}

function malformed(source: string, why: string): Error {
  return new Error(`path template "${source}": ${why}`);
}
