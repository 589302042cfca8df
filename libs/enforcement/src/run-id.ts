/** Ids of other kinds, and of nobody in particular. A run of such a name would be taken for them in a chain, or revoked in their place. */
const others = /^(?:agt|psn|svc|tnt|tok|sbx|art|mem|apr|act|dec|evt|cmd|ses|srv|key)_|^(?:operator|system)$/;

/** Whether this can be the id of a run: whoever starts one may choose it. No slash, which ends it in the effect ids of the run. */
export function isRunId(text: string): boolean {
  return /^[\w.:-]{1,200}$/.test(text) && !others.test(text);
}
