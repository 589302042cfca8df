import { WritError } from '../errors/errors.js';

const hopeless =
  /^auth\.(?!revocation_unknown|token_expired)|^identity\.|^protocol\.|^request\.(not_found|invalid|failed)$/;

/** Whether the same identity, asking again, gets another answer. What is no answer of a server is a bug, and stays one. */
export function mayHeal(error: unknown): error is WritError {
  return WritError.is(error) && !hopeless.test(error.code);
}
