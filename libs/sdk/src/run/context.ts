import type { Context } from '../define/context.js';
import type { Messages } from '../define/workflow.js';
import { recordedSandbox } from '../sandbox/recorded.js';
import { call } from './call.js';
import { start } from './child.js';
import { patched } from './patched.js';
import { set } from './attributes.js';
import { join } from './join.js';
import { currentTurn } from './inside.js';
import { loop } from './loop.js';
import type { RunScope } from './scope.js';
import { seededCrypto } from './seeded-crypto.js';
import { step } from './steps.js';
import { ask, emit, sleep, wait } from './waits.js';

/** The context of one run. Its promises may be looked at late or never: a rejection that nobody awaits is not the process's affair. */
export function contextOf(scope: RunScope): Context<Messages> {
  const { executor } = scope;
  const crypto = seededCrypto(() => executor.lives.seed);
  const context = {
    runId: executor.runId,
    get signal() {
      return executor.cancellation.signal;
    },
    log: scope.log,
    get now() {
      return new Date(executor.now);
    },
    get crypto() {
      const turn = currentTurn();
      return turn ? (turn.crypto ??= seededCrypto(() => `${executor.lives.seed}\n${turn.prefix}`)) : crypto;
    },
    step: (name: string, fn: never, opts?: object) => calm(step(scope, name, fn, opts)),
    call: (tool: never, input: unknown, opts?: object) => calm(call(scope, tool, input, opts)),
    wait: (message, opts) => calm(wait(scope, message, opts)),
    ask: (question) => calm(ask(scope, question)),
    join: (children: never, opts?: object) => calm(join(scope, children, opts)),
    sleep: (until, opts) => calm(sleep(scope, until, opts)),
    set: (attributes) => calm(set(scope, attributes)),
    emit: (name, data) => calm(emit(scope, name, data)),
    loop: (state, turn, opts) => calm(loop(scope, state, turn as never, opts)),
    handle: (name: string, answer: (input: unknown) => unknown, opts?: object) =>
      scope.handlers.handle(name, answer, opts),
    patched: (id) => patched(scope, id),
    start: (def, input, opts) => calm(start(scope, def, input, opts)),
    sandbox: (opts) => calm(recordedSandbox(scope, opts)),
  } as Context<Messages>;
  return context;
}

function calm<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
