/** One server-sent event. */
export interface Frame {
  readonly id: string | undefined;
  /** `message`, `end` or `error`. */
  readonly event: string;
  readonly data: Record<string, unknown>;
}

/** Reads a response of server-sent events (WHATWG HTML, section 9.2) frame by frame. */
export async function* framesOf(response: Response): AsyncGenerator<Frame> {
  let text = '';
  for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
    text += part;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const fields = text
        .slice(0, end)
        .split('\n')
        .map((line) => /^(\w*): ?(.*)$/.exec(line) ?? []);
      text = text.slice(end + 2);
      const field = (name: string) => fields.find((each) => each[1] === name)?.[2];
      const data = field('data');
      if (data !== undefined)
        yield { id: field('id'), event: field('event') ?? 'message', data: JSON.parse(data) as Frame['data'] };
    }
  }
}
