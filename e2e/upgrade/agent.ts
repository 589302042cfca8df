import { connect, type Writ } from '@writ/sdk';
import { OAuthClient } from '@writ/sdk/oauth';
import { Rest, type Key } from '../demo/rest.js';

/** The SDK as an agent whose key is in memory: tokens of its own, and for what a run does those of the run. */
export function connectAgent(url: string, key: Key): Writ {
  const own = new Rest(url, key);
  const client = new OAuthClient(`${url}/oauth`, { clientId: key.client_id, jwk: key.jwk }, fetch);
  const ofRuns = new Map<string, Promise<string>>();
  const ofRun = async (run: string) => (await client.forRun(run, await own.accessToken(), 'urn:writ:api')).value;
  return connect({
    url,
    token: async (run) => {
      if (run === undefined) return own.accessToken();
      const token = ofRuns.get(run) ?? ofRun(run);
      ofRuns.set(run, token);
      token.catch(() => ofRuns.delete(run)); // asked again
      return token;
    },
  });
}
