import { context, trace, type Context, type ContextManager } from '@opentelemetry/api';
import { afterEach, expect, test } from '@jest/globals';
import { activeTrace } from './trace.js';

afterEach(() => void context.disable());

/** A context that is always this one. */
function always(active: Context): ContextManager {
  const manager: ContextManager = {
    active: () => active,
    with: (_, call, self, ...args) => call.apply(self as ThisParameterType<typeof call>, args),
    bind: (_, target) => target,
    enable: () => manager,
    disable: () => manager,
  };
  return manager;
}

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';

test.each([
  [1, `00-${traceId}-${spanId}-01`],
  [0, `00-${traceId}-${spanId}-00`],
])('the active span with flags %i is told as W3C traceparent', (traceFlags, traceparent) => {
  const span = trace.wrapSpanContext({ traceId, spanId, traceFlags });
  context.setGlobalContextManager(always(trace.setSpan(context.active(), span)));
  expect(activeTrace()).toBe(traceparent);
});

test('without tracing, or with a span that is not valid, there is none', () => {
  expect(activeTrace()).toBeUndefined();
  const span = trace.wrapSpanContext({ traceId: '0'.repeat(32), spanId, traceFlags: 1 });
  context.setGlobalContextManager(always(trace.setSpan(context.active(), span)));
  expect(activeTrace()).toBeUndefined();
});
