import type { FastifyInstance } from 'fastify';
import type { TileStore } from './tile-store.js';

const TILE = /^tile\/(?:0|[1-9]\d?)\/(?:x\d{3}\/)*\d{3}(?:\.p\/(?:[1-9]\d?|1\d\d|2[0-4]\d|25[0-5]))?$/;
const FOR_EVER = 'public, max-age=31536000, immutable';

/** `GET /checkpoint` and `GET /tile/…` (C2SP tlog-tiles): hashes only, so that anyone may watch the log. */
export function serveTiles(fastify: FastifyInstance, tiles: TileStore): void {
  fastify.get('/checkpoint', async (_request, reply) => {
    const note = await tiles.read('checkpoint');
    if (note === undefined) return reply.status(404).send();
    return reply.type('text/plain; charset=utf-8').header('cache-control', 'no-store').send(Buffer.from(note));
  });
  fastify.get<{ Params: { '*': string } }>('/tile/*', async (request, reply) => {
    const name = `tile/${request.params['*']}`;
    const tile = TILE.test(name) ? await tiles.read(name) : undefined;
    if (tile === undefined) return reply.status(404).send();
    return reply.type('application/octet-stream').header('cache-control', FOR_EVER).send(Buffer.from(tile));
  });
}
