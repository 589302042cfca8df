import net from 'node:net';

/**
 * Takes a name on this host until the process ends, however it ends: a socket in the abstract namespace, which the kernel
 * closes. Resolves to `undefined` when another process has it.
 */
export async function takeName(name: string): Promise<{ release(): void } | undefined> {
  const server = net.createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen({ path: `\0writ/${name}` }, () => {
      server.unref();
      resolve({ release: () => server.close() });
    });
  });
}
