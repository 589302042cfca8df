import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { newKeyPair } from '../agent/key-file.js';
import type { ApiClient } from '../api/client.js';
import { routes } from '../api/routes.js';
import type { Call } from '../command/call.js';
import { jsonFile } from '../config/settings.js';
import { problemOf } from '../failure/refused.js';
import type { Ready } from './stack.js';

/** The project and the agent of `writ dev`; kept in `dev.json` of the data folder, where the other commands find them. */
export interface DevProject {
  readonly project: string;
  readonly agent: string;
  readonly agentKeyFile: string;
  /** Its policies are the ones made here, which permit everything. */
  readonly permissive: boolean;
}

const permitEverything = `@id("dev-everything")
@reason("writ dev permits everything, until you push policies of your own")
permit (principal, action, resource);
`;
const policyFile = 'dev-everything.cedar';

/** Makes what is not there yet; the same ids every time, so that a data folder keeps its project. */
export async function prepareProject(call: Call, folder: string, ready: Ready): Promise<DevProject> {
  const setting = (value: string) => ({ value, source: 'writ dev' });
  const own = { url: setting(ready.url), keyFile: setting(ready.operatorKeyFile) };
  const known = (await jsonFile(path.join(folder, 'dev.json'))) as Partial<DevProject> | undefined;
  const tenant = { id: known?.project ?? `tnt_${randomUUID()}`, name: 'dev' };
  const { id: project } = await call.clientOf(own).call(routes.createTenant, tenant);
  const api = call.clientOf({ ...own, project: setting(project) });
  const permissive = await preparePolicies(api);
  const agentKeyFile = path.join(folder, 'dev.key.json');
  const agent = known?.agent && (await usable(api, known.agent)) ? known.agent : await newAgent(api, agentKeyFile);
  const made = { project, agent, agentKeyFile };
  await writeFile(path.join(folder, 'dev.json'), `${JSON.stringify(made)}\n`, { mode: 0o600 });
  return { ...made, permissive };
}

async function preparePolicies(api: ApiClient): Promise<boolean> {
  const { version, files } = await api.call(routes.getPolicySet, {});
  if (version !== '') return files.length === 1 && files[0]?.name === policyFile;
  await api.call(routes.pushPolicySet, { files: [{ name: policyFile, text: permitEverything }] });
  return true;
}

/** A revoked agent stays revoked; the next `writ dev` has another one. */
async function usable(api: ApiClient, id: string): Promise<boolean> {
  try {
    const { agent } = await api.call(routes.getAgent, { id });
    return agent?.state === 'active';
  } catch (error) {
    if (problemOf(error).status === 404) return false;
    throw error;
  }
}

async function newAgent(api: ApiClient, keyFile: string): Promise<string> {
  const id = `agt_${randomUUID()}`;
  const { jwk, publicJwk } = newKeyPair();
  await writeFile(keyFile, `${JSON.stringify({ client_id: id, jwk })}\n`, { mode: 0o600 });
  const capabilities = [{ actions: ['*'], resources: [] }];
  await api.call(routes.createAgent, { id, name: 'dev', jwk: JSON.stringify(publicJwk), capabilities });
  return id;
}
