import { expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { supervise } from './supervise.js';

/** Something that ends when it is told, and comes up or not as it is told. */
class Fragile {
  readonly name = 'fragile';
  starts = 0;
  broken = 0;
  end!: (how: string) => void;
  private current = this.live();

  private live(): Promise<string> {
    return new Promise((resolve) => (this.end = resolve));
  }

  ended = (): Promise<string> => this.current;

  again = async (): Promise<void> => {
    this.starts++;
    if (this.broken-- > 0) throw new Error('it does not come up');
    this.current = this.live();
    this.started();
  };

  started = (): void => {};
  next = (): Promise<void> => new Promise((resolve) => (this.started = resolve));
}

test('what ends by itself is started again, ever more slowly, until it is up', async () => {
  verifies('standalone.supervised');
  const [it, said] = [new Fragile(), [] as string[]];
  const stop = supervise(it, (line) => said.push(line));
  it.broken = 1;
  const up = it.next();
  it.end('SIGKILL');
  await up;
  expect(it.starts).toBe(2);
  expect(said).toEqual([
    'fragile ended (SIGKILL); it is started again in 0.1 s',
    'fragile ended (it does not come up); it is started again in 0.2 s',
  ]);
  await stop();
});

test('after the end of the supervision nothing is started any more', async () => {
  const [it, said] = [new Fragile(), [] as string[]];
  const stop = supervise(it, (line) => said.push(line));
  await stop();
  it.end('SIGTERM');
  await new Promise((resolve) => setImmediate(resolve));
  expect([it.starts, said]).toEqual([0, []]);
});

test('a supervision that ends while it waits starts nothing', async () => {
  const it = new Fragile();
  let told!: () => void;
  const heard = new Promise<void>((resolve) => (told = resolve));
  const stop = supervise(it, () => told());
  it.end('SIGKILL');
  await heard;
  await stop();
  expect(it.starts).toBe(0);
});
