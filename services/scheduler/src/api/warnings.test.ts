import { expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import type { Demand } from '../partition/dispatcher.js';
import type { StartRequest } from '../run/start-request.js';
import { warningsOf } from './warnings.js';

const request = (workflow: string, more: Partial<StartRequest> = {}): StartRequest => ({
  tenant: 't', actor: { principal: 'psn_1', kind: 'person' }, id: 'r', chosen: false, workflow, input: {}, queue: 'q', agent: 'psn_1', depth: 0, ...more,
}); // prettier-ignore

test('who starts what nobody serves is warned, once, and nobody else is', async () => {
  verifies('run.no_worker_warning');
  const asked: Demand[] = [];
  const isOffered = (demand: Demand) => {
    asked.push(demand);
    return Promise.resolve(demand.workflow === 'review');
  };
  const pinned = request('review', { version: '2', pinned: true, agent: 'agt_1', onBehalfOf: ['psn_1'] });
  const later = request('later', { notBeforeMs: Date.now() + 3_600_000 });
  const requests = [request('review'), request('reveiw'), request('reveiw'), pinned, later];
  const warn = await warningsOf(requests, { isOffered });
  expect(requests.map(warn)).toEqual([
    [],
    [{ code: 'no_worker', text: 'No worker of psn_1 with workflow reveiw is connected to queue q.' }],
    [],
    [{ code: 'no_worker', text: 'No worker of agt_1 or whom that acts for with workflow review@2 is connected to queue q.' }],
    [],
  ]); // prettier-ignore
  expect(asked).toHaveLength(3);
});

test('a replica that does not answer holds nobody up, and is no reason for a warning', async () => {
  const silent = await warningsOf([request('w')], { isOffered: () => new Promise(() => {}) });
  const failing = await warningsOf([request('w')], { isOffered: () => Promise.reject(new Error('no')) });
  expect([silent(request('w')), failing(request('w'))]).toEqual([[], []]);
});
