import type { Msg, NatsConnection, Subscription } from '@nats-io/nats-core';
import { commandSubject } from '../domain/partitioning.js';
import { DomainError, refuse } from '../domain/refusals.js';
import type { PartitionAddress } from '../log/commit.js';
import type { Owner } from '../owner/owner.js';
import { decodeCommand, encodeAnswer, encodeRefusal, ping, pong } from './wire.js';

/** Takes the commands of an owned partition from the network. Ends with `subscription.drain()`, which loses none. */
export function serveCommands(nc: NatsConnection, address: PartitionAddress, owner: Owner): Subscription {
  return nc.subscribe(commandSubject(address.service, address.partition), {
    callback: (error, message) => {
      if (!error) serve(message, owner);
    },
  });
}

function serve(message: Msg, owner: Owner): void {
  const text = message.string();
  if (text === ping) {
    message.respond(pong);
    return;
  }
  try {
    owner.submit(decodeCommand(text), (refusal, answer) => {
      message.respond(answer ? encodeAnswer(answer) : encodeRefusal(refusal as DomainError));
    });
  } catch (error) {
    const refusal = error instanceof DomainError ? error : refuse('ledger.decider_failed', String(error));
    message.respond(encodeRefusal(refusal));
  }
}
