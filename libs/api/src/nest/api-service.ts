import type { DescService } from '@bufbuild/protobuf';
import { Injectable } from '@nestjs/common';
import type { ServiceImplementation } from '../kernel/implementation.js';

const SERVES = Symbol('writ:serves');

/**
 * Says that a provider serves a service of `proto/`. The compiler checks the class against the contract; routes, rules
 * and required capabilities stand in the .proto file. The provider must be a singleton.
 */
export function ApiService<S extends DescService>(service: S) {
  return <C extends new (...dependencies: never[]) => ServiceImplementation<S>>(target: C): void => {
    Injectable()(target);
    Reflect.defineMetadata(SERVES, service, target);
  };
}

/** The service that a provider's class was declared to serve. */
export function servedBy(target: object): DescService | undefined {
  return Reflect.getMetadata(SERVES, target) as DescService | undefined;
}
