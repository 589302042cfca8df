/** What one look found. `note`: worth knowing, and nothing is wrong. */
export interface Finding {
  readonly check: string;
  readonly state: 'ok' | 'note' | 'problem';
  readonly found: string;
  /** How to repair it. */
  readonly fix?: string;
}

export const ok = (check: string, found: string): Finding => ({ check, state: 'ok', found });
export const note = (check: string, found: string, fix?: string): Finding => ({
  check,
  state: 'note',
  found,
  ...(fix !== undefined && { fix }),
});
export const problem = (check: string, found: string, fix: string): Finding => ({
  check,
  state: 'problem',
  found,
  fix,
});
