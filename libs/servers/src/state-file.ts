import { readFile, rename, rm, writeFile } from 'node:fs/promises';

/** What a running server leaves beside its data, so that another process finds it. */
export interface ServerState {
  pid: number;
  /** Who started it, and with whom it dies. */
  parent: number;
  /** Tells this server from a later one on the same port. */
  name: string;
  url: string;
  version: string;
  durability: 'fsync' | 'flush';
}

/** Written whole or not at all; readable by this user only, since the URL may hold a password. */
export async function writeState(file: string, state: Omit<ServerState, 'parent'>): Promise<void> {
  await writeFile(`${file}.new`, `${JSON.stringify({ ...state, parent: process.pid })}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
}

/** The state of a server whose process still lives; whether it serves, the caller asks the server. */
export async function readState(file: string): Promise<ServerState | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const state = JSON.parse(text) as ServerState;
  return isAlive(state.pid) ? state : undefined;
}

/** Waits for a server whose starter was killed: its guard ends it within 10 s, and two on the same data would spoil them. */
export async function orphanGone(file: string): Promise<void> {
  const state = await readState(file);
  if (!state || isAlive(state.parent)) return;
  for (const until = Date.now() + 15_000; isAlive(state.pid) && Date.now() < until;)
    await new Promise((resolve) => setTimeout(resolve, 50));
}

export async function removeState(file: string): Promise<void> {
  await rm(file, { force: true });
}

/** Whether a process of this number runs; it may be another one than the one that was meant. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // it lives, under another user
  }
}
