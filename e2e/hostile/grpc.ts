/** gRPC without a library of gRPC, which would not send what is sent here. */
import { connect, constants, type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2';
import { create, fromBinary, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { anyUnpack, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { ErrorInfoSchema } from '@writ/proto/google/rpc/error_details';
import { StatusSchema } from '@writ/proto/google/rpc/status';
import {
  ServerReflectionRequestSchema,
  ServerReflectionResponseSchema,
} from '@writ/proto/grpc/reflection/v1/reflection';

export interface GrpcAnswer {
  /** 0 also where messages come and the call goes on. */
  readonly status: number;
  /** Ours, from the details of the status. */
  readonly code: string;
  readonly message: string;
  readonly data: Buffer;
}

const REFLECTION = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';

export class GrpcClient implements Disposable {
  private readonly session: ClientHttp2Session;

  constructor(url: string) {
    this.session = connect(url);
  }

  /** One message, or bytes that are none; the first answer of a stream ends the call. */
  call(path: string, frame: Buffer, headers: Record<string, string> = {}): Promise<GrpcAnswer> {
    return new Promise((resolve, reject) => {
      const stream = this.session.request({
        ':method': 'POST',
        ':path': path,
        'content-type': 'application/grpc',
        te: 'trailers',
        ...headers,
      });
      const chunks: Buffer[] = [];
      let said: IncomingHttpHeaders = {};
      const timer = setTimeout(() => stream.destroy(new Error(`${path}: no answer within 20 s`)), 20_000);
      stream.on('response', (head) => (said = { ...said, ...head }));
      stream.on('trailers', (trailers) => (said = { ...said, ...trailers }));
      stream.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        // Of a stream that goes on, the beginning is enough. Not at once: a server takes many resets for an attack.
        if (path !== REFLECTION) setTimeout(() => stream.close(), 200).unref();
      });
      // Where too much is being sent, the stream is reset, before its status has come or after.
      const calm = (): boolean => stream.rstCode === constants.NGHTTP2_ENHANCE_YOUR_CALM;
      stream
        .once('error', (error) => calm() || reject(new Error(`${path}: ${error.message}`)))
        .once('close', () => {
          clearTimeout(timer);
          resolve(answerOf(said, Buffer.concat(chunks), stream.rstCode));
        });
      stream.end(frame);
    });
  }

  /** Paths of all methods, as the reflection of the server tells them. */
  async methods(): Promise<string[]> {
    const [list] = await this.reflect([{ messageRequest: { case: 'listServices', value: '' } }]);
    const names = list?.messageResponse.case === 'listServicesResponse' ? list.messageResponse.value.service : [];
    const files = await this.reflect(
      names.map(({ name }) => ({ messageRequest: { case: 'fileContainingSymbol', value: name } })),
    );
    const found = files.flatMap(({ messageResponse }) =>
      messageResponse.case === 'fileDescriptorResponse' ? messageResponse.value.fileDescriptorProto : [],
    );
    const paths = found
      .map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes))
      .flatMap((file) =>
        file.service.flatMap((each) => each.method.map(({ name }) => `/${file.package}.${each.name}/${name}`)),
      );
    return [...new Set(paths)];
  }

  private async reflect(requests: MessageInitShape<typeof ServerReflectionRequestSchema>[]) {
    const frames = requests.map((each) =>
      framed(Buffer.from(toBinary(ServerReflectionRequestSchema, create(ServerReflectionRequestSchema, each)))),
    );
    const { data } = await this.call(REFLECTION, Buffer.concat(frames));
    const answers = [];
    for (let at = 0; at < data.length; at += 5 + data.readUInt32BE(at + 1))
      answers.push(
        fromBinary(ServerReflectionResponseSchema, data.subarray(at + 5, at + 5 + data.readUInt32BE(at + 1))),
      );
    return answers;
  }

  [Symbol.dispose](): void {
    this.session.destroy();
  }
}

/** A message with the five bytes that go before it. */
export function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function answerOf(said: IncomingHttpHeaders, data: Buffer, rstCode: number | undefined): GrpcAnswer {
  const status = said['grpc-status'];
  const details = said['grpc-status-details-bin'];
  const bytes = typeof details === 'string' ? Buffer.from(details, 'base64') : undefined;
  const codes =
    bytes && fromBinary(StatusSchema, bytes).details.map((each) => anyUnpack(each, ErrorInfoSchema)?.metadata['code']);
  return {
    status: statusOf(status, data, rstCode),
    code: codes?.find((each) => each !== undefined) ?? '',
    message: `${String(said['grpc-message'] ?? '')}${status === undefined && data.length === 0 ? `reset ${rstCode}` : ''}`,
    data,
  };
}

/** As gRPC maps the codes of HTTP/2, as far as it is needed here; -1 where nothing came. */
function statusOf(status: string | string[] | undefined, data: Buffer, rstCode: number | undefined): number {
  if (status !== undefined) return Number(status);
  if (rstCode === constants.NGHTTP2_ENHANCE_YOUR_CALM) return 8;
  return data.length > 0 ? 0 : -1;
}
