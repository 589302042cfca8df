/** A piece of work that is done because of something else, wherever that was. */
export interface Work {
  /** `command`: decided and committed by an owner. `reaction`: what follows an event. `action`: what an agent does to the world. */
  readonly kind: 'command' | 'reaction' | 'action';
  /** From the code, never from users: `run.start`, `run-consequences run.waiting.v1`, `tool.call`. */
  readonly name: string;
  /** W3C `traceparent` of what led to it. */
  readonly trace: string;
}

/** What watches the work of a process, so that spans can be made of it. */
export interface WorkObserver {
  begin(work: Work): ObservedWork;
}

export interface ObservedWork {
  /** W3C `traceparent` of the work itself: for what it leads to. */
  readonly trace: string;
  /** @param code `ok`, or why it failed @param position of the commit that it ended in */
  end(code: string, position?: string): void;
}
