import { describe, expect, test } from '@jest/globals';
import { DomainError } from '@writ/ledger/domain';
import { verifies } from '@writ/testkit';
import { Budgets } from './budgets.js';
import { callerNamed, pipelineFixture, write } from './pipeline.fixture.js';

const cost = { toolCalls: 1 };
const act = () => Promise.resolve('done');

describe('an action that costs something', () => {
  test('is charged before it is intended, once for each effect, and not when it was denied', async () => {
    verifies('budget.tool_calls');
    const { pipeline, trusted, charged, budgets, owner } = pipelineFixture();
    trusted.budget = 'run_1';
    budgets.left = 1;
    await pipeline.perform(write('elsewhere', { cost, effectId: 'denied' }), act);
    expect(charged).toEqual([]);
    await pipeline.perform(write('out/a', { cost }), act);
    await pipeline.perform(write('out/a', { cost }), act);
    expect(charged).toEqual([['run_1', 'e1', cost]]);
    const refused = pipeline.perform(write('out/a', { cost, effectId: 'e2' }), act);
    await expect(refused).rejects.toMatchObject({ code: 'run.budget_exhausted' });
    expect(owner.told.slice(-1)).toEqual(['action.refused.v1 run.budget_exhausted']);
  });

  test('whose code runs in a worker is charged when it begins', async () => {
    const { pipeline, trusted, budgets } = pipelineFixture();
    trusted.budget = 'run_1';
    budgets.left = 0;
    await expect(pipeline.begin(write('out/a', { cost }))).rejects.toMatchObject({ code: 'run.budget_exhausted' });
  });

  test('costs nothing without a budget', async () => {
    const { pipeline, charged, budgets } = pipelineFixture();
    budgets.left = 0;
    expect(await pipeline.perform(write('out/a', { cost }), act)).toMatchObject({ outcome: 'done' });
    expect(charged).toEqual([]);
  });
});

describe('the budget of a run', () => {
  const answering = (answer: object[] | Error) => {
    const sent: object[] = [];
    const scheduler = {
      send: (command: object) => {
        sent.push(command);
        return answer instanceof Error
          ? Promise.reject(answer)
          : Promise.resolve({ position: '', events: answer as never, duplicate: false });
      },
    };
    return { budgets: new Budgets(scheduler), sent };
  };
  const caller = callerNamed('agt_1', { run: 'run_2' });

  test('is kept by the scheduler: reserved at most once under an id, then settled', async () => {
    const { budgets, sent } = answering([]);
    await budgets.reserve(caller, 'run_1', 'e1', { tokens: 100 });
    await budgets.settle(caller, 'run_1', 'e1', { tokens: 60 });
    expect(sent).toMatchObject([
      { subject: 'run_1', command: { type: 'reserve', id: 'e1', by: 'run_2', amount: { tokens: 100 } } },
      { subject: 'run_1', command: { type: 'settle', id: 'e1', used: { tokens: 60 } } },
    ]);
  });

  test('that is used up, or gone, is a refusal that says of which run', async () => {
    const exhausted = { type: 'run.budget_exhausted.v1', data: { lacking: ['toolCalls'] } };
    await expect(answering([exhausted]).budgets.charge(caller, 'run_1', 'e1', cost)).rejects.toMatchObject({
      code: 'run.budget_exhausted',
      details: { account: 'run_1', lacking: 'toolCalls', toolCalls: 1 },
    });
    const gone = answering(new DomainError('run.not_found', 'no')).budgets;
    await expect(gone.charge(caller, 'run_1', 'e1', cost)).rejects.toMatchObject({ code: 'run.budget_closed' });
  });
});
