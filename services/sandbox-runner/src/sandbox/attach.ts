import type { Caller } from '@writ/api';
import { refuse } from '@writ/ledger/domain';
import type { AttachRequest, ExecRequest } from '@writ/proto/sandbox/v1/sandbox';
import type { Runner } from '../runner.js';
import { attachedOf, frameOf } from './sandbox.messages.js';

/** A command that is talked to while it runs: the first frame starts it, the others are its input. */
export async function* attach(runner: Runner, requests: AsyncIterable<AttachRequest>, caller: Caller) {
  const iterator = requests[Symbol.asyncIterator]();
  const first = await iterator.next();
  const start = first.done === true || first.value.frame.case !== 'start' ? undefined : first.value.frame.value;
  if (start === undefined) throw refuse('sandbox.exec_invalid', 'the first frame must start a command');
  yield* started(runner, start, inputOf(iterator), caller);
}

async function* started(runner: Runner, start: ExecRequest, input: AsyncIterable<Uint8Array>, caller: Caller) {
  const command = attachedOf(start, input);
  const sandbox = await runner.sandboxes.use(caller, start.id);
  for await (const frame of runner.commands.run(sandbox, command, caller)) yield frameOf(frame);
}

async function* inputOf(iterator: AsyncIterator<AttachRequest>): AsyncGenerator<Uint8Array> {
  for (;;) {
    const next = await iterator.next();
    if (next.done === true || next.value.frame.case === 'close') return;
    if (next.value.frame.case === 'start') throw refuse('sandbox.exec_invalid', 'a command is started once');
    if (next.value.frame.case === 'stdin') yield next.value.frame.value;
  }
}
