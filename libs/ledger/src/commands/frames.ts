import type { Requests } from '../requests.js';
import { splitAnswers } from './wire.js';

/** An owner that answers later than this may be gone: the id is sent again, and the owner knows it. At least this. */
export const attemptMs = 1_000;
/** A frame that would grow beyond this leaves, and the next one begins. */
const frameBytes = 256 * 1024;

/** The text of an answer, or why there is none. */
export type FrameAnswer = (string & {}) | 'none' | 'timeout';

type Settle = (answer: FrameAnswer) => void;

interface Frame {
  subject: string;
  waitMs: number;
  bytes: number;
  texts: string[];
  settles: Settle[];
}

/**
 * Puts the commands that are sent in one turn of the event loop, to one partition, into one message: under load, where a
 * commit answers many callers at once and they go on at once, that saves most of the price of the network. It never waits
 * for more.
 */
export class Frames {
  private readonly requests: Requests;
  private readonly open = new Map<string, Frame>();

  constructor(requests: Requests) {
    this.requests = requests;
  }

  /** @param settle gets the answer; and after `timeout` perhaps another, when one comes that had been given up */
  send(subject: string, text: string, bytes: number, waitMs: number, settle: Settle): void {
    // One that is about to give up must not make others give up with it.
    if (waitMs < attemptMs) return this.leave({ subject, waitMs, bytes, texts: [text], settles: [settle] });
    let frame = this.open.get(subject);
    if (frame && frame.bytes + bytes > frameBytes) {
      this.open.delete(subject);
      this.leave(frame);
      frame = undefined;
    }
    if (!frame) frame = this.begin(subject);
    frame.texts.push(text);
    frame.settles.push(settle);
    frame.bytes += bytes + 1;
    frame.waitMs = Math.max(frame.waitMs, waitMs);
  }

  private begin(subject: string): Frame {
    const frame: Frame = { subject, waitMs: attemptMs, bytes: 0, texts: [], settles: [] };
    this.open.set(subject, frame);
    queueMicrotask(() => {
      if (this.open.get(subject) !== frame) return;
      this.open.delete(subject);
      this.leave(frame);
    });
    return frame;
  }

  private leave({ subject, waitMs, texts, settles }: Frame): void {
    const waiting = new Map(settles.entries());
    const settle = (index: number, answer: FrameAnswer): void => {
      waiting.get(index)?.(answer);
      waiting.delete(index);
    };
    try {
      this.requests.open(subject, Buffer.from(texts.join('\n')), waitMs, (reply) => {
        if (reply === 'timeout') for (const give of waiting.values()) give(reply);
        else if (reply === 'none') for (const index of [...waiting.keys()]) settle(index, reply);
        else splitAnswers(reply.string(), settle);
        return waiting.size === 0;
      });
    } catch {
      for (const index of [...waiting.keys()]) settle(index, 'none'); // the connection was closed meanwhile
    }
  }
}
