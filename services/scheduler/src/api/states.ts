import { RunState } from '@writ/proto/run/v1/run';

const states: Record<string, RunState> = {
  queued: RunState.QUEUED,
  running: RunState.RUNNING,
  waiting: RunState.WAITING,
  succeeded: RunState.SUCCEEDED,
  failed: RunState.FAILED,
  cancelled: RunState.CANCELLED,
};

/** A state as the API has it. */
export function stateOf(state: string): RunState {
  return states[state] ?? RunState.UNSPECIFIED;
}
