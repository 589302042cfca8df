/** What a module `e2e/faults/<name>.fault.ts` exports as `fault`: minutes of kills, pauses and cuts, and what must hold. */
export interface Fault {
  name: string;
  /** One line for the list. */
  about: string;
  /** @throws where a promise is broken; that ends it */
  run(report: Report, options: FaultOptions): Promise<void>;
}

/** As far as a fault has something to choose. */
export interface FaultOptions {
  /** How long faults are made, where somebody says. */
  seconds?: number;
  /** The same one makes the same faults in the same order. */
  seed: number;
}

export interface Report {
  /** A promise that was seen to hold, with what was counted. */
  holds(what: string): void;
  /** A figure, or what is done next. */
  tells(what: string): void;
  /** What this machine cannot do, and so nothing was shown. */
  notRun(what: string, why: string): void;
}
