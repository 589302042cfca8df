import * as z from 'zod';

const time = z.iso.datetime();
const whole = z.number().int().nonnegative();

/** What may be spent; each is counted by itself. `children`: runs that it and its descendants start. */
export const amount = {
  nanoUsd: whole.optional(),
  tokens: whole.optional(),
  toolCalls: whole.optional(),
  children: whole.optional(),
};
export const Amount = z.object(amount);
export type Amount = z.infer<typeof Amount>;

/** Bounds of a run and of all that it starts. What is absent has no bound; 0 is one. */
export const Limits = z.object({
  ...amount,
  /** From the start of the run, whatever it does meanwhile. */
  timeMs: whole.optional(),
  /** Runs below it, one under the other. */
  depth: whole.optional(),
});
export type Limits = z.infer<typeof Limits>;

/** From which account a run spends, and what holds for it besides. */
export const SpendsFrom = z.object({
  /** The run that has the limits: itself, or one that it descends from. */
  account: z.string(),
  deadline: time.optional(),
  /** Ancestors that a run may have here. */
  maxDepth: whole.optional(),
});
export type SpendsFrom = z.infer<typeof SpendsFrom>;

/** Of a run that starts. With `limits` the account is its own. */
export const StartedBudget = SpendsFrom.extend({
  limits: Amount.optional(),
  timeMs: whole.optional(),
  /** The account that its limits are reserved from: what it leaves over goes back there. */
  from: z.string().optional(),
});
export type StartedBudget = z.infer<typeof StartedBudget>;

/** In the event that ends a run with limits of its own. */
export const EndedBudget = z.object({
  limits: Amount,
  /** With all that was reserved and never settled: of that nobody knows that it was not spent. */
  used: Amount,
  from: z.string().optional(),
  /** Runs that wait for more of it. */
  waiting: z.array(z.string()).optional(),
});
export type EndedBudget = z.infer<typeof EndedBudget>;

/** The subject is the run with the limits. */
export const budgetEvents = {
  /** Taken before it is spent. */
  'run.budget_reserved.v1': z.object({
    /** What it is for: an effect, a child, something that a step names. Reserved once. */
    id: z.string(),
    /** Who spends it. */
    by: z.string(),
    amount: Amount,
    /** It is spent by this already. */
    settled: z.boolean().optional(),
  }),
  'run.budget_settled.v1': z.object({ id: z.string(), used: Amount }),
  /** Something did not fit: a person is asked. */
  'run.budget_exhausted.v1': z.object({
    /** Of which there is too little: names of amounts, or `time`. */
    lacking: z.array(z.string()),
    /** What was asked for. */
    need: Amount,
    by: z.string(),
    approval: z.string(),
    limits: Amount,
    used: Amount,
  }),
  /** This run goes on when there is more. */
  'run.budget_awaited.v1': z.object({ by: z.string() }),
  'run.budget_added.v1': z.object({
    amount: Amount,
    deadline: time.optional(),
    by: z.string(),
    /** The share of a budget above, which grows with it. */
    from: z.string().optional(),
    /** Runs that waited for it. */
    waiting: z.array(z.string()).optional(),
    /** What people were asked, where it came without their answer. */
    approvals: z.array(z.string()).optional(),
  }),
  /** A share of it has grown by what a person added there, and with it the whole. */
  'run.budget_extended.v1': z.object({ id: z.string(), cause: z.string(), amount: Amount }),
  /** Nobody grants more; `expired`: nobody said anything, so those who wait go on waiting. */
  'run.budget_refused.v1': z.object({
    approval: z.string(),
    by: z.string().optional(),
    reason: z.string().optional(),
    expired: z.boolean().optional(),
    waiting: z.array(z.string()).optional(),
  }),
} as const;
