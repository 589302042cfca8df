/** The whole API, message by message: what the functions of the SDK stand on, for the CLI and for what has no function of its own. */
export { keyFile, pause, Session, type Calling, type SessionOptions } from './client/session.js';
export { readKeyFile, type ClientKey } from './client/oauth.js';
export { formatVerifierKey, openCheckpoint, type Checkpoint } from './proof/note.js';
