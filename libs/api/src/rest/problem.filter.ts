import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { failureOf } from '../errors/failure.js';
import { requestIdOf, type ApiLog } from '../kernel/kernel.js';
import { frameworkFailure } from './framework-failure.js';
import { headersOf, sendProblem } from './rest-transcoder.js';

/** Problem details for whatever Nest answers itself: its own 404, and controllers beside the contract. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly log?: ApiLog) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const requestId = requestIdOf(headersOf(http.getRequest<FastifyRequest>().raw));
    const failure = frameworkFailure(error) ?? failureOf(error);
    if (failure.bug !== undefined) this.log?.error({ err: failure.bug, requestId }, 'a request failed by a bug');
    const reply = http.getResponse<FastifyReply>();
    if (!reply.sent) sendProblem(reply, failure, requestId);
  }
}
