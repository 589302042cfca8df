import { findNatsServer, findOldNatsServer } from '@writ/servers';

/** The servers that the ledger must work on: today's, and 2.9 where it is installed. */
export async function testedServers(): Promise<[version: string, binary: string][]> {
  const current = await findNatsServer();
  const old = await findOldNatsServer();
  const found: [string, string][] = [[current.version, current.path]];
  if (old) found.push([old.version, old.path]);
  return found;
}
