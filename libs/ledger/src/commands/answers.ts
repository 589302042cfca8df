import { nuid } from '@nats-io/nats-core';
import type { Inbox } from '../requests.js';

/**
 * Where the answers to one process's commands come in: `answer.<owner>.<partition>.<asker>.<process>.<request>`. The broker lets only
 * the owner's service publish below its own name and only the asker's listen below its own, so nobody else can answer or
 * overhear. (With one inbox for everything, whoever was asked once could forge the broker's own answers.)
 */
export function answerInbox(asker: string): Inbox {
  const own = `${asker}.${nuid.next()}`;
  return {
    listen: `answer.*.*.${own}`,
    replyTo: (subject) => `${answersTo(subject)}${own}`,
  };
}

/** What the answers to `command.<owner>.<partition>` begin with. */
export function answersTo(commandSubject: string): string {
  return `answer${commandSubject.slice(commandSubject.indexOf('.'))}.`;
}
