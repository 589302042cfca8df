/** Whether somebody may choose this as the id of a run. */
export function isRunId(text: string): boolean {
  return /^[\w.:-]{1,200}$/.test(text);
}
