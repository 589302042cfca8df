import { derivedId, inLane, lanes } from '@writ/ledger/domain';

const uuidV7 = /^[a-z]+_([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}(?:-p[0-9a-f]{2})?$/;

/** When the id of a run was made, as the id itself says (UUIDv7, RFC 9562, with or without a lane); nothing for one that somebody thought up. */
export function madeAtMs(id: string): number | undefined {
  const parts = uuidV7.exec(id);
  return parts ? Number.parseInt(`${parts[1]}${parts[2]}`, 16) : undefined;
}

/** So many children of one name live together. */
const together = 16;

/**
 * The id of a child for which its parent thought up none; the same for the same command. The first of a name live where their parent lives,
 * so that few children take few commits and no way; those after them next door, so that many are spread.
 */
export function childId(
  parent: { life: string; partition: number },
  { name, occurrence }: { name: string; occurrence: number },
): string {
  const lane = (parent.partition + Math.floor((occurrence - 1) / together)) % lanes;
  return inLane(derivedId('run', parent.life, name, String(occurrence)), lane);
}
