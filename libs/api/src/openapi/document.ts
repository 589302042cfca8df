import type { DescService } from '@bufbuild/protobuf';
export interface OpenApiOptions {
  title: string;
}
export function openApiDocument(services: readonly DescService[], options: OpenApiOptions): object {
  return { openapi: '3.1.0', info: { title: options.title, version: 'v1' }, paths: {}, services: services.length };
}
