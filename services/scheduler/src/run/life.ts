/** How a life of a run is called where its effects must not be taken for those of another: `run_1`, `run_1~2` after two restarts. */
export function lifeOf(run: string, { restarts = 0 }: { restarts?: number | undefined }): string {
  return restarts === 0 ? run : `${run}~${restarts}`;
}
