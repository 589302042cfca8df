import { createServer } from 'node:http';
import { obey } from '../program.js';
import { peerPackage } from './install.js';

interface Dbos {
  DBOS: {
    setConfig(config: { name: string; systemDatabaseUrl: string; logLevel: string }): void;
    registerWorkflow<A, R>(run: (input: A) => Promise<R>, options: { name: string }): (input: A) => Promise<R>;
    runStep<T>(step: () => Promise<T>, options: { name: string }): Promise<T>;
    launch(): Promise<void>;
  };
}

const { DBOS } = peerPackage<Dbos>('@dbos-inc/dbos-sdk');
DBOS.setConfig({ name: 'bench', systemDatabaseUrl: process.env['DATABASE'] as string, logLevel: 'warn' });

const threeSteps = DBOS.registerWorkflow(
  async (n: number): Promise<number> => {
    const one = await DBOS.runStep(async () => n + 1, { name: 'one' });
    const two = await DBOS.runStep(async () => one + 1, { name: 'two' });
    return DBOS.runStep(async () => two + 1, { name: 'three' });
  },
  { name: 'three-steps' },
);

await DBOS.launch();
const server = createServer((request, response) => {
  const n = Number(new URL(request.url as string, 'http://localhost').searchParams.get('n'));
  threeSteps(n).then(
    (value) => response.end(String(value)),
    (error: unknown) => response.writeHead(500).end(String(error)),
  );
});
server.listen(Number(process.env['PORT']), '127.0.0.1', () => obey({}));
