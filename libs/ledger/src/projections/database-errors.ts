/** SQLSTATE classes that say something about the moment, not about the event: connection, resources, operator, system, rollback. */
const healing = ['08', '53', '57', '58', '40', '55P03'];
const network = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN']);

/**
 * Whether the same statement may succeed later (PostgreSQL appendix A, "Error Codes").
 * TypeORM releases the runner of a transaction whose connection breaks, and what comes next in it only hears of that.
 */
export function mayHeal(error: unknown): boolean {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause ?? driverError(cause)) {
    const code = (cause as { code?: unknown }).code;
    if (typeof code === 'string' && (network.has(code) || healing.some((prefix) => code.startsWith(prefix))))
      return true;
    if (
      /connection (terminated|ended|error)|not queryable|timeout exceeded when trying to connect|runner (was )?already released/i.test(
        cause.message,
      )
    )
      return true;
  }
  return false;
}

function driverError(error: Error): unknown {
  const inner = (error as { driverError?: unknown }).driverError;
  return inner === error ? undefined : inner;
}
