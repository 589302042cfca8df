import type * as grpc from '@grpc/grpc-js';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  AwaitRunsResponseSchema,
  type AwaitRunsRequest,
  type AwaitRunsResponse,
  type AwaitRunsResponse_EndSchema,
} from '@writ/proto/run/v1/run';
import { statusOf, type Handler } from './grpc-fake.js';

type End = MessageInitShape<typeof AwaitRunsResponse_EndSchema>;
/** Gives the end of a run that is waited for: nothing for one that goes on. What it throws ends the stream. */
export type GiveEnd = (awaited: { id: string; headers: grpc.Metadata }) => End | undefined | Promise<End | undefined>;

/** `AwaitRuns` of a fake platform. @param opened counts streams */
export function ends(give: GiveEnd, opened: { streams: number } = { streams: 0 }): Handler {
  const serve = (call: grpc.ServerDuplexStream<AwaitRunsRequest, AwaitRunsResponse>) => {
    opened.streams++;
    call.on('data', ({ ids }: AwaitRunsRequest) => {
      for (const id of ids)
        Promise.resolve()
          .then(() => give({ id, headers: call.metadata }))
          .then((end) => end && call.write(create(AwaitRunsResponseSchema, { ends: [end] })))
          .catch((error: unknown) => call.emit('error', statusOf(error)));
    });
    call.on('end', () => call.end());
    call.on('error', () => undefined);
  };
  return serve as unknown as Handler;
}
