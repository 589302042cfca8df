import {
  CancelledError,
  DeniedError,
  TimeoutError,
  WritError,
  type Decision,
  type WritErrorOptions,
} from './errors.js';

const timeouts = new Set(['request.deadline_exceeded', 'approval.expired']);

/** An error of the class that its code belongs to. */
export function errorOf(message: string, options: WritErrorOptions): WritError {
  const { code } = options;
  if (code === 'run.cancelled') return new CancelledError(message, options);
  if (timeouts.has(code) || code.endsWith('timeout')) return new TimeoutError(message, options);
  if (code === 'policy.denied' || code === 'approval.denied')
    return new DeniedError(message, { ...options, decision: decisionOf(options.details?.['decision'], options) });
  return new WritError(message, options);
}

/** The decision that an error carries, or what is known of it. */
function decisionOf(decision: unknown, about: WritErrorOptions): Decision {
  if (typeof decision === 'object' && decision !== null && 'outcome' in decision) return decision as Decision;
  const reasons = about.details?.['reasons'];
  return {
    id: String(about.details?.['decisionId'] ?? about.details?.['decision'] ?? ''),
    outcome: 'deny',
    reasons: Array.isArray(reasons) ? (reasons as Decision['reasons']) : [],
  };
}
