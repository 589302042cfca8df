import type { Msg, NatsConnection, Subscription } from '@nats-io/nats-core';
import { commandSubject } from '../domain/partitioning.js';
import { DomainError, refuse } from '../domain/refusals.js';
import type { PartitionAddress } from '../log/commit.js';
import type { Owner } from '../owner/owner.js';
import { answersTo } from './answers.js';
import { decodeCommand, encodeAnswer, encodeRefusal, ping, pong } from './wire.js';

/** A reply message grows to this; one answer may be larger, and then it has a message to itself. */
const replyBytes = 256 * 1024;

/** Takes the commands of an owned partition from the network. Ends with `subscription.drain()`, which loses none. */
export function serveCommands(nc: NatsConnection, address: PartitionAddress, owner: Owner): Subscription {
  const subject = commandSubject(address.service, address.partition);
  const answers = answersTo(subject);
  return nc.subscribe(subject, {
    callback: (error, message) => {
      // JetStream can be made to deliver a stored message here by who may not publish here; it asks for no such answer.
      if (!error && message.subject === subject && message.reply?.startsWith(answers)) serve(message, owner);
    },
  });
}

/** Says why nobody takes them, where an owner would. */
export function refuseCommands(nc: NatsConnection, address: PartitionAddress, refusal: DomainError): Subscription {
  return nc.subscribe(commandSubject(address.service, address.partition), {
    callback: (error, message) => {
      const text = error ? ping : message.string();
      if (text === ping) return; // whoever asks for an owner is not told that there is one
      const reply = new Reply(message);
      for (const index of text.split('\n').keys()) reply.add(index, encodeRefusal(refusal));
    },
  });
}

function serve(message: Msg, owner: Owner): void {
  const text = message.string();
  if (text === ping) {
    message.respond(pong);
    return;
  }
  const reply = new Reply(message);
  for (const [index, line] of text.split('\n').entries())
    try {
      owner.submit(decodeCommand(line), (refusal, answer) => {
        reply.add(index, answer ? encodeAnswer(answer) : encodeRefusal(refusal as DomainError));
      });
    } catch (error) {
      const refusal = error instanceof DomainError ? error : refuse('ledger.decider_failed', String(error));
      reply.add(index, encodeRefusal(refusal));
    }
}

/** The answers to one frame of commands: those that are given in one turn go back in one message. */
class Reply {
  private readonly message: Msg;
  private text = '';

  constructor(message: Msg) {
    this.message = message;
  }

  add(index: number, answer: string): void {
    if (this.text.length + answer.length > replyBytes) this.send();
    if (this.text === '') queueMicrotask(() => this.send());
    this.text += `${this.text === '' ? '' : '\n'}${index} ${answer}`;
  }

  private send(): void {
    if (this.text === '') return;
    const { text } = this;
    this.text = '';
    try {
      this.message.respond(text);
    } catch {
      // The connection was closed for good. Whoever waits sends the same id to the next owner, and gets its answer there.
    }
  }
}
