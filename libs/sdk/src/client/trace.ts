import { isSpanContextValid, trace } from '@opentelemetry/api';

/** W3C `traceparent` of the span of OpenTelemetry that is active here; undefined where nobody traces. */
export function activeTrace(): string | undefined {
  const context = trace.getActiveSpan()?.spanContext();
  if (!context || !isSpanContextValid(context)) return undefined;
  return `00-${context.traceId}-${context.spanId}-${context.traceFlags.toString(16).padStart(2, '0')}`;
}
