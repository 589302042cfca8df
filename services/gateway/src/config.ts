import { BaseConfig, readConfig } from '@writ/platform';
import * as z from 'zod';

const Config = BaseConfig.extend({
  /**
   * Port of the HTTP door, without the pages of operations (`/metrics`, `/health/services`, the whole of `/health/ready`), which
   * are on `WRIT_HTTP_PORT`; 0: any free port. Absent: there is one port for both, which nobody outside should reach.
   */
  WRIT_DOOR_HTTP_PORT: z.coerce.number().int().min(0).max(65_535).optional(),
  /** Port of the gRPC door; 0: any free port. (`WRIT_GRPC_PORT` is that of the gateway's own services behind it.) */
  WRIT_DOOR_GRPC_PORT: z.coerce.number().int().min(0).max(65_535).default(0),
  /** Base of the URLs that the outside uses, when something stands in front of the gateway. Default: where it listens. */
  WRIT_PUBLIC_URL: z.url().optional(),
  /** `host:port` of gRPC as the outside sees it. Default: where it listens. */
  WRIT_PUBLIC_GRPC: z.string().optional(),
  /**
   * Workers are in the network of the services: clients are told where the schedulers are, and streams of workers go there without a
   * hop through this door. They do so in clear text. Default: everything comes by the door.
   */
  WRIT_WORKERS_DIRECT: z.stringbool().default(false),
});

/** The gateway's configuration. */
export type Config = z.infer<typeof Config>;

/** @throws Error that names every variable that is missing or wrong. */
export function parseConfig(env: Record<string, string | undefined>): Config {
  return readConfig(Config, env);
}
