import type { Announcement, Readiness, Replicas } from '@writ/platform';
import type { FastifyInstance } from 'fastify';

/** What one replica says of itself, or why it says nothing. */
export type ReplicaHealth = Partial<Readiness> & { service: string; replica: string; ready: boolean; error?: string };

const PATIENCE_MS = 3_000;
const KEEP_MS = 500;

/**
 * `GET /health/services`: the `/health/ready` of every replica that is announced, so that one address tells how the whole
 * installation is. Always 200: the gateway's own readiness stands at `/health/ready`. However often it is read, the
 * replicas are asked at most twice a second.
 */
export function serveHealth(fastify: FastifyInstance, replicas: Pick<Replicas, 'up'>): void {
  let last: { at: number; answer: Promise<ReplicaHealth[]> } | undefined;
  fastify.get('/health/services', async (_request, reply) => {
    const now = performance.now();
    if (!last || now - last.at > KEEP_MS) last = { at: now, answer: Promise.all(replicas.up().map(healthOf)) };
    const services = await last.answer;
    services.sort((a, b) => a.service.localeCompare(b.service) || a.replica.localeCompare(b.replica));
    return reply.header('cache-control', 'no-store').send({ services });
  });
}

async function healthOf({ name, replica, httpUrl }: Announcement): Promise<ReplicaHealth> {
  try {
    const response = await fetch(`${httpUrl}/health/ready`, { signal: AbortSignal.timeout(PATIENCE_MS) });
    return (await response.json()) as Readiness;
  } catch (error) {
    return { service: name, replica, ready: false, error: (error as Error).message };
  }
}
