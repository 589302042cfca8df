const uuidV7 = /^[a-z]+_([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}(?:-p[0-9a-f]{2})?$/;

/** When the id of a run was made, as the id itself says (UUIDv7, RFC 9562, with or without a lane); nothing for one that somebody thought up. */
export function madeAtMs(id: string): number | undefined {
  const parts = uuidV7.exec(id);
  return parts ? Number.parseInt(`${parts[1]}${parts[2]}`, 16) : undefined;
}
