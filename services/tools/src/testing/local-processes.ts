import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import type { Started, StdioAddress, StdioServers } from '../upstream/sandboxed-server.js';

/** Servers as plain child processes of the test, where what is tested is not the sandbox around them. */
export class LocalProcesses implements StdioServers {
  /** How many were started and not released. */
  running = 0;

  start({ spec }: StdioAddress): Promise<Started> {
    const [command = '', ...args] = spec.argv;
    const transport = new StdioClientTransport({ command, args, env: spec.env, stderr: 'pipe' });
    let said = '';
    transport.stderr?.on('data', (bytes: Buffer) => (said = `${said}${bytes.toString('utf8')}`.slice(-2_000)));
    this.running++;
    return Promise.resolve({
      transport,
      complaint: () => said,
      release: () => {
        this.running--;
        return Promise.resolve();
      },
    });
  }
}
