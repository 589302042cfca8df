import { spawn } from 'node:child_process';

/**
 * Reads one line. A line means that the parent has ended the server itself. The end of the pipe without one means that
 * the parent is gone, however it died: end the server (`$2` is the polite signal), continue it in case it was stopped,
 * kill it after 10 s, and remove the folder `$3`.
 */
const script = `
read -r line && exit 0
kill -"$2" "$1" 2>/dev/null
kill -CONT "$1" 2>/dev/null
tries=0
while kill -0 "$1" 2>/dev/null && [ "$tries" -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
kill -KILL "$1" 2>/dev/null
if [ -n "$3" ]; then rm -rf -- "$3"; fi
`;

/** Ends the guard without harm to the server. */
export type Release = () => void;

/**
 * Makes process `pid` die with this one, even when this one is killed with SIGKILL: a shell of about 1 MB that waits on
 * a pipe. `setpriv --pdeathsig` would need no process, but exists on Linux only and follows the thread that spawned.
 *
 * @param folder removed after that death; for scratch data only
 */
export function guard(pid: number, signal: 'TERM' | 'INT', folder?: string): Release {
  const shell = spawn('/bin/sh', ['-c', script, 'writ-guard', String(pid), signal, folder ?? ''], {
    detached: true, // a Ctrl-C in the terminal must not end the guard before the guarded
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
  });
  const { stdin } = shell;
  stdin.on('error', () => {}); // a guard that somebody ended has nothing to be told
  shell.on('error', () => {});
  shell.unref();
  if ('unref' in stdin && typeof stdin.unref === 'function') stdin.unref();
  return () => {
    stdin.end('done\n');
  };
}
