/** What a module `e2e/faults/<name>.fault.ts` exports as `fault`: minutes of kills, pauses and cuts, and what must hold. */
export interface Fault {
  name: string;
  /** One line for the list. */
  about: string;
  /** @throws where a promise is broken; that ends it */
  run(report: Report): Promise<void>;
}

export interface Report {
  /** A promise that was seen to hold, with what was counted. */
  holds(what: string): void;
  /** A figure, or what is done next. */
  tells(what: string): void;
  /** What this machine cannot do, and so nothing was shown. */
  notRun(what: string, why: string): void;
}
