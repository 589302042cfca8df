import { createInterface } from 'node:readline';
import { CaseApi, FakeAuthenticator, startTestApi } from '@writ/api/testing';

/** What the API bench calls: every line on stdin is answered with the CPU time that this process has used so far. */
const fake = new FakeAuthenticator();
const cached = new Map<string, Awaited<ReturnType<FakeAuthenticator['authenticate']>>>();
const api = await startTestApi({
  providers: [CaseApi],
  authenticator: {
    // A verified token is cached by enforcement too: parsing fake tokens is not what is measured.
    async authenticate(headers, method) {
      const token = headers.get('authorization') ?? '';
      const known = cached.get(token) ?? (await fake.authenticate(headers, method));
      cached.set(token, known);
      return known;
    },
  },
});
console.log(JSON.stringify({ http: api.httpUrl, grpc: `http://${api.grpcAddress}` }));
createInterface(process.stdin).on('line', (line) => {
  const { user, system } = process.cpuUsage();
  console.log(`${line} ${user + system}`);
});
