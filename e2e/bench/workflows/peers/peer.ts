import type { Roles } from '../processes.js';
import type { Program } from '../program.js';

/** Another engine as it is measured: its servers, one worker and one client, all of them processes of this machine. */
export interface Peer extends AsyncDisposable {
  readonly client: Program;
  readonly roles: Roles;
}
