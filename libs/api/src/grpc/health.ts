import { create } from '@bufbuild/protobuf';
import {
  Health,
  HealthCheckResponse_ServingStatus as Serving,
  HealthCheckResponseSchema,
  type HealthCheckRequest,
} from '@writ/proto/grpc/health/v1/health';
import { refuse } from '@writ/ledger/domain';
import type { Caller } from '../kernel/caller.js';
import type { ServiceImplementation } from '../kernel/implementation.js';
import type { Kernel } from '../kernel/kernel.js';

/** `grpc.health.v1.Health`: whether this process takes calls, as a whole ('') and for each service that it serves. */
export function healthService(
  kernel: Kernel,
  ready: () => boolean | Promise<boolean>,
): ServiceImplementation<typeof Health> {
  const known = (name: string) => name === '' || kernel.services.some((each) => each.typeName === name);
  const state = async () => ((await ready()) && !kernel.draining.aborted ? Serving.SERVING : Serving.NOT_SERVING);
  return {
    async check({ service }: HealthCheckRequest) {
      if (!known(service)) throw refuse('request.not_found', `${service} is not served here`);
      return { status: await state() };
    },
    async list() {
      const names = ['', ...kernel.services.map((each) => each.typeName)];
      const status = await state();
      return { statuses: Object.fromEntries(names.map((name) => [name, { status }])) };
    },
    async *watch({ service }: HealthCheckRequest, caller: Caller) {
      let last: Serving | undefined;
      while (!caller.signal.aborted) {
        const now = known(service) ? await state() : Serving.SERVICE_UNKNOWN;
        if (now !== last) yield create(HealthCheckResponseSchema, { status: now });
        last = now;
        await pause(500, caller.signal);
      }
    },
  };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end, { once: true });
  });
}
