import type { DynamicModule, Type } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { DescService } from '@bufbuild/protobuf';
import type { Authenticator, CallObserver } from '@writ/api';
import type { Blobs } from '@writ/blobs';
import type { Enforcement } from '@writ/enforcement';
import type { Host, HostSpec, Ledger } from '@writ/ledger';
import type { ErrorCatalogue, ServiceName } from '@writ/ledger/domain';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import type { DataSource, EntitySchema } from 'typeorm';
import type { BaseConfig } from '../config/config.js';
import type { Health } from '../health/health.js';
import type { MigrationClass } from '../postgres/migrations.js';
import type { Metrics } from '../telemetry/metrics.js';

/** What a service stands on; every provider may inject it as `CONTEXT`. */
export interface ServiceContext<C extends BaseConfig = BaseConfig> {
  readonly name: ServiceName;
  readonly replica: string;
  readonly config: C;
  readonly log: Logger;
  readonly ledger: Ledger;
  readonly blobs: Blobs;
  /** The service's own schema is first on its search path. */
  readonly dataSource: DataSource;
  readonly metrics: Metrics;
  /** Watches calls that pass through here: one span each, where spans are exported, and one measurement. */
  readonly observer: CallObserver;
  readonly health: Health;
  /** With `enforcement: 'follow'`; not there yet while `host` is called. */
  readonly enforcement?: Enforcement;
  /** With `host`; not there yet while `host` is called. */
  readonly host?: Host;
}

/** A service, as far as the platform must know it. */
export interface ServiceSpec<C extends BaseConfig> {
  name: ServiceName;
  config: C;
  entities: readonly (EntitySchema | (new () => object))[];
  migrations: readonly MigrationClass[];
  /** Every code that its refusals may carry. */
  errors: readonly ErrorCatalogue[];
  /** The partitions that it owns; their commands are served once the service has started. */
  host?(context: ServiceContext<C>): Omit<HostSpec, 'service' | 'dataSource'>;
  /** `follow`: verify tokens and follow identity's and policy's ledger. An authenticator of another kind is for tests. */
  enforcement: 'follow' | 'none' | { authenticator: Authenticator };
  /** In whose ledger its refusals are recorded; for a service without one. Default: its own. */
  recordsIn?: ServiceName;
  /** Its providers may inject the tokens of `@writ/platform`; those with `@ApiService` are served. */
  module(context: ServiceContext<C>): Type | DynamicModule;
  /** Title of its OpenAPI document; default: `Writ <name>`. */
  title?: string;
  /** What its OpenAPI document and reflection tell of; default: what it serves itself. */
  documents?: readonly DescService[];
  /** Routes beside the contract (OAuth, MCP, Git), mounted before the service listens. */
  routes?(context: ServiceContext<C>, fastify: FastifyInstance): void | Promise<void>;
  /** Runs once everything listens, before the service is announced. */
  after?(context: ServiceContext<C>, app: NestFastifyApplication): void | Promise<void>;
  /** Runs when the service stops, after its last call and before its connections close. */
  stopping?(context: ServiceContext<C>): void | Promise<void>;
}

/** A service that listens. */
export interface RunningService {
  name: ServiceName;
  replica: string;
  /** `http://host:port` */
  httpUrl: string;
  /** `http://host:port`, gRPC without TLS. */
  grpcUrl: string;
  /** Takes nothing new, finishes what is in flight, hands partitions over, closes. May be called more than once. */
  stop(): Promise<void>;
}
