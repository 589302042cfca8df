/** After the last suite. When the run is killed instead, the server's guard does the same. */
export default async function tearDown() {
  await globalThis.writPostgres?.[Symbol.asyncDispose]();
}
