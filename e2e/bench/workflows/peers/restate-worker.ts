import { obey } from '../program.js';
import { peerPackage } from './install.js';

interface Context {
  run<T>(name: string, step: () => T): Promise<T>;
}

interface Restate {
  workflow(definition: object): object;
  serve(options: { services: object[]; port: number }): Promise<number>;
}

const restate = peerPackage<Restate>('@restatedev/restate-sdk');

const threeSteps = restate.workflow({
  name: 'three-steps',
  handlers: {
    async run(ctx: Context, { n }: { n: number }): Promise<number> {
      const one = await ctx.run('one', () => n + 1);
      const two = await ctx.run('two', () => one + 1);
      return ctx.run('three', () => two + 1);
    },
  },
});

await restate.serve({ services: [threeSteps], port: Number(process.env['PORT']) });
obey({});
