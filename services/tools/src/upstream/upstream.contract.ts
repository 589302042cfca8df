import { describe, expect, test } from '@jest/globals';
import { eventually, verifies } from '@writ/testkit';
import { NoAnswer, type Upstream } from './upstream.js';

/** A server that a test of the contract can turn. */
export interface ServerUnderTest extends AsyncDisposable {
  connect(onListChanged: () => void): Promise<Upstream>;
  /** Offers these tools, and says so. Each answers its name; `fails` reports an error; `hangs` never answers. */
  offer(tools: readonly { name: string; description?: string }[]): void;
  /** Ends every connection, as a server that dies. */
  die(): void | Promise<void>;
}

/** What every {@link Upstream} does, the fake and the real one. */
export function upstreamContract(name: string, start: () => Promise<ServerUnderTest>): void {
  describe(`an upstream: ${name}`, () => {
    const never = { signal: new AbortController().signal };

    test('lists what is offered, each with a hash that only its definition decides', async () => {
      await using server = await start();
      server.offer([{ name: 'a' }, { name: 'b', description: 'B' }]);
      const upstream = await server.connect(() => undefined);
      const [a, b] = await upstream.list();
      expect([a, b]).toMatchObject([{ name: 'a' }, { name: 'b', description: 'B' }]);
      expect(a?.hash).toMatch(/^sha256:[0-9a-f]{64}$/);
      expect(await upstream.list()).toEqual([a, b]);
      const again = await server.connect(() => undefined);
      expect((await again.list())[0]?.hash).toBe(a?.hash);
      await Promise.all([upstream.close(), again.close()]);
    });

    test('says that something else is offered now', async () => {
      await using server = await start();
      server.offer([{ name: 'a', description: 'one' }]);
      let told = 0;
      const upstream = await server.connect(() => told++);
      const [before] = await upstream.list();
      server.offer([{ name: 'a', description: 'two' }]);
      await eventually(() => told > 0, { what: 'the change is announced' });
      const [after] = await upstream.list();
      expect(after).toMatchObject({ name: 'a', description: 'two' });
      expect(after?.hash).not.toBe(before?.hash);
      await upstream.close();
    });

    test('answers, also when the tool reports an error of its own', async () => {
      await using server = await start();
      server.offer([{ name: 'a' }, { name: 'fails' }]);
      const upstream = await server.connect(() => undefined);
      expect(await upstream.call('a', {}, never)).toEqual({ content: [{ type: 'text', text: 'a' }], isError: false });
      expect(await upstream.call('fails', {}, never)).toMatchObject({ isError: true });
      await upstream.close();
    });

    test('tells a call that was refused from one that nobody knows about', async () => {
      verifies('tools.unknown_outcome');
      await using server = await start();
      server.offer([{ name: 'hangs' }]);
      const upstream = await server.connect(() => undefined);
      await expect(upstream.call('none', {}, never)).rejects.toMatchObject({ code: 'tools.upstream_failed' });
      const hanging = upstream.call('hangs', {}, never);
      const refused = expect(hanging).rejects.toBeInstanceOf(NoAnswer);
      await server.die();
      await refused;
    });

    test('gives a call up with the reason of whoever aborts it', async () => {
      await using server = await start();
      server.offer([{ name: 'hangs' }]);
      const upstream = await server.connect(() => undefined);
      const abort = new AbortController();
      const hanging = upstream.call('hangs', {}, abort);
      const refused = expect(hanging).rejects.toThrow('enough');
      abort.abort(new Error('enough'));
      await refused;
      await upstream.close();
    });

    test('tells when it has ended, whoever ended it', async () => {
      await using server = await start();
      server.offer([{ name: 'a' }]);
      const [mine, theirs] = [await server.connect(() => undefined), await server.connect(() => undefined)];
      await mine.close();
      await mine.closed;
      await server.die();
      await theirs.closed;
    });
  });
}
