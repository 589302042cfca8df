import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Context,
  type Span,
  type Tracer,
} from '@opentelemetry/api';
import { traceOnly, type CallObserver, type ObservedCall } from '@writ/api';
import type { WorkObserver } from '@writ/ledger';
import type { Metrics } from './metrics.js';

/** Exports spans; without an address nothing is exported, and W3C trace context is carried all the same. */
export interface Traces extends AsyncDisposable {
  tracer?: Tracer;
}

/** @param url base URL of a collector that takes OTLP over HTTP. The SDK is loaded only when there is one. */
export async function openTraces(service: string, url: string | undefined): Promise<Traces> {
  if (url === undefined) return { [Symbol.asyncDispose]: async () => undefined };
  const [{ BatchSpanProcessor, TracerProvider }, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all(
    [
      import('@opentelemetry/sdk-trace'),
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/resources'),
    ],
  );
  const exporter = new OTLPTraceExporter({ url: new URL('/v1/traces', url).href });
  // A provider of its own, never the global one: several services may run in this process.
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': `writ-${service}` }),
    spanProcessors: [new BatchSpanProcessor({ exporter })],
  });
  return { tracer: provider.getTracer('writ'), [Symbol.asyncDispose]: () => provider.shutdown() };
}

/** Watches the calls of the API: a span where spans are exported, and a measurement. */
export function callObserver(metrics: Metrics, tracer: Tracer | undefined): CallObserver {
  return {
    begin(call) {
      const begun = performance.now();
      const observed = tracer ? spanOf(tracer, call) : traceOnly.begin(call);
      return {
        trace: observed.trace,
        end(code) {
          metrics.called(call.method, call.transport, code, (performance.now() - begun) / 1000);
          observed.end(code);
        },
      };
    },
  };
}

/** Watches what happens between the calls: commands, reactions and actions that belong to a trace. */
export function workObserver(tracer: Tracer): WorkObserver {
  return {
    begin({ kind, name, trace }) {
      const attributes = { 'writ.work': kind };
      const span = tracer.startSpan(`${kind} ${name}`, { kind: SpanKind.INTERNAL, attributes }, parentContext(trace));
      return {
        trace: traceparentOf(span),
        end(code, position) {
          if (position !== undefined && position !== '') span.setAttribute('writ.position', position);
          finish(span, code);
        },
      };
    },
  };
}

function finish(span: Span, code: string): void {
  if (code !== 'ok') {
    span.setAttribute('writ.code', code);
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}

function spanOf(
  tracer: Tracer,
  { method, transport, traceparent }: Parameters<CallObserver['begin']>[0],
): ObservedCall {
  const attributes = { 'rpc.system': transport, 'rpc.method': method };
  const span = tracer.startSpan(method, { kind: SpanKind.SERVER, attributes }, parentContext(traceparent));
  return {
    trace: traceparentOf(span),
    end(code) {
      finish(span, code);
    },
  };
}

function parentContext(traceparent: string | undefined): Context {
  if (traceparent === undefined) return ROOT_CONTEXT;
  const [, traceId = '', spanId = '', flags = '00'] = traceparent.split('-');
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: parseInt(flags, 16), isRemote: true });
}

function traceparentOf(span: Span): string {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}
