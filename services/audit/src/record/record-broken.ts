/**
 * The record is not the one that this installation has signed before: nothing is signed any more until a person has looked,
 * for a log that contradicts itself proves nothing.
 */
export class RecordBroken extends Error {
  override readonly name = 'RecordBroken';

  constructor(
    readonly kind: 'rolled_back' | 'forked',
    message: string,
  ) {
    super(message);
  }
}
