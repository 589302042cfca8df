/** Healthy is what is ready: `docker ps` then tells what a load balancer would be told. */
const answer = await fetch(`http://127.0.0.1:${process.env.WRIT_HTTP_PORT ?? 8080}/health/ready`, {
  signal: AbortSignal.timeout(4_000),
}).catch((error) => ({ ok: false, status: error.message }));
if (!answer.ok) {
  process.stderr.write(`not ready: ${answer.status}\n`);
  process.exitCode = 1;
}
