import { randomUUID } from 'node:crypto';
import { loopTasks } from '../closed-loop.js';
import { obey } from '../program.js';
import { peerPackage } from './install.js';

interface Clients {
  connect(options: { url: string }): {
    workflowClient(
      definition: { name: string },
      key: string,
    ): {
      workflowSubmit(input: object): Promise<object>;
      workflowAttach(): Promise<number>;
    };
    call(options: { service: string; handler: string; key: string; parameter: object }): Promise<unknown>;
  };
}

const url = process.env['INGRESS'] as string;
const ingress = peerPackage<Clients>('@restatedev/restate-sdk-clients').connect({ url });
let n = 0;

/** One request that is answered at the end; or two, which the API has as well. */
const shapes: Readonly<Record<string, (key: string, input: { n: number }) => Promise<unknown>>> = {
  async call(key, input) {
    const response = await fetch(`${url}/three-steps/${key}/run`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(input),
    });
    return response.json();
  },
  async submit(key, input) {
    const workflow = ingress.workflowClient({ name: 'three-steps' }, key);
    await workflow.workflowSubmit(input);
    return workflow.workflowAttach();
  },
};

async function once(): Promise<void> {
  const wanted = ++n;
  const value = await shapes[process.env['SHAPE'] ?? 'call']?.(randomUUID(), { n: wanted });
  if (value !== wanted + 3) throw new Error(`Restate gave ${JSON.stringify(value)} for ${wanted}`);
}

obey(loopTasks(once));
