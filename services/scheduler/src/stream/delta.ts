/** What a worker sends of one attempt of a step, in order. */
export interface Deltas {
  /** The assignment of the run, `<partition>.<epoch>.<counter>`. */
  readonly token: string;
  /** Name and occurrence: `draft/1`. */
  readonly step: string;
  /** Of the step, from 1. */
  readonly attempt: number;
  /** Names this making of the attempt. */
  readonly making: string;
  /** How many chunks this making wrote before these. */
  readonly from: number;
  /** JSON text. */
  readonly chunks: readonly string[];
}

/** A step whose attempt ended, as the ledger has it. */
export interface Settled {
  readonly step: string;
  readonly attempt: number;
  readonly completed: boolean;
  /** How many it wrote in all. */
  readonly chunks: number;
}

/** One message of a run's stream, as it is stored. */
export type DeltaMessage = { readonly step: string; readonly attempt: number } & (
  | { readonly started: true }
  | { readonly data: unknown }
  | { readonly missed: number }
  | { readonly completed: true }
  | { readonly failed: true }
);

/** What whoever writes a run's stream next has to know. */
export interface DeltaWriter {
  /** Messages so far. */
  readonly sent: number;
  /** The newest assignment that wrote. */
  readonly token: string;
  readonly steps: Readonly<Record<string, readonly [attempt: number, making: string, chunks: number]>>;
  /** Attempts that have settled lately, by step. */
  readonly settled?: Readonly<Record<string, number>>;
}

/** An end that is told again is told soon. */
const mostSettled = 64;

export const newWriter: DeltaWriter = { sent: 0, token: '', steps: {} };

/** What is appended, as JSON texts, and what is known afterwards. */
export interface Written {
  readonly writer: DeltaWriter;
  readonly messages: readonly string[];
}

/** Pure: what these deltas add to a stream. Nothing, where a newer assignment writes or all of it is there. */
export function writeDeltas(writer: DeltaWriter, deltas: Deltas): Written | undefined {
  const { token, step, attempt, making, from, chunks } = deltas;
  if (isOlder(token, writer.token)) return undefined;
  const known = writer.steps[step];
  const again = known?.[0] === attempt && known[1] === making;
  const there = again ? known[2] : 0;
  const fresh = chunks.slice(Math.max(0, there - from));
  if (again && fresh.length === 0) return undefined;
  const head = `{"step":${JSON.stringify(step)},"attempt":${attempt}`;
  const messages = again ? [] : [`${head},"started":true}`];
  if (from > there) messages.push(`${head},"missed":${from - there}}`);
  for (const chunk of fresh) messages.push(`${head},"data":${chunk}}`);
  const steps = { ...writer.steps, [step]: [attempt, making, Math.max(there, from + chunks.length)] as const };
  // A step that is restarted begins with its first attempt again.
  const { [step]: _before, ...settled } = writer.settled ?? {};
  return { writer: { sent: writer.sent + messages.length, token, steps, settled }, messages };
}

/** Pure: what the end of a step's attempt adds. Nothing, where a later attempt writes, or it was told before. */
export function settleStep(writer: DeltaWriter, { step, attempt, completed, chunks }: Settled): Written | undefined {
  const { [step]: known, ...steps } = writer.steps;
  if ((known?.[0] ?? attempt) > attempt || (writer.settled?.[step] ?? 0) >= attempt) return undefined;
  const there = known?.[0] === attempt ? known[2] : undefined;
  const messages: DeltaMessage[] = [
    ...(there === undefined ? [{ step, attempt, started: true as const }] : []),
    ...(chunks > (there ?? 0) ? [{ step, attempt, missed: chunks - (there ?? 0) }] : []),
    { step, attempt, ...(completed ? { completed: true as const } : { failed: true as const }) },
  ];
  const others = Object.entries(writer.settled ?? {}).filter(([other]) => other !== step);
  const settled = Object.fromEntries([...others.slice(-mostSettled + 1), [step, attempt]]);
  return {
    writer: { ...writer, sent: writer.sent + messages.length, steps, settled },
    messages: messages.map((message) => JSON.stringify(message)),
  };
}

/** Assignments of one run all come from one partition: the epoch of its owner counts, then the owner's count. */
function isOlder(token: string, than: string): boolean {
  if (than === '') return false;
  const [mine, theirs] = [orderOf(token), orderOf(than)];
  return mine[0] < theirs[0] || (mine[0] === theirs[0] && mine[1] < theirs[1]);
}

function orderOf(token: string): [epoch: number, count: number] {
  const [, epoch = '', count = ''] = token.split('.');
  return [Number(epoch), parseInt(count, 36)];
}
