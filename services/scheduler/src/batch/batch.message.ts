import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { BatchState } from '@writ/proto/run/v1/batch';
import { failedOf } from './batch.js';
import type { BatchRow } from './batch.view.js';

const states = { done: BatchState.DONE, stopped: BatchState.STOPPED, failed: BatchState.FAILED };

/** A batch as the API has it. */
export function messageOf({ id, batch }: BatchRow) {
  const { definition, createdMs, done, unchanged, failed, ended } = batch;
  const { action, filter, reason, expected, by } = definition;
  return {
    id,
    action: action.type,
    filter,
    reason,
    message: action.type === 'send' ? action.message : '',
    by: by.principal,
    state: ended ? states[ended.state] : BatchState.RUNNING,
    expected: BigInt(expected),
    done: BigInt(done),
    unchanged: BigInt(unchanged),
    failed: BigInt(failedOf(batch)),
    failures: failed.map(({ code, count, run, detail }) => ({ code, count: BigInt(count), run, detail })),
    ...(ended?.error && { error: { code: ended.error.code, message: ended.error.message } }),
    createTime: timestampFromMs(createdMs),
    ...(ended && { endTime: timestampFromMs(ended.atMs) }),
  };
}
