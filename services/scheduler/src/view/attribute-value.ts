import type { AttributeValue } from '../run/attributes.js';

const longest = 2000;

/**
 * Values as text that sorts (by its bytes) as they do: `b` and 0 or 1; `n` and 16 hexadecimal digits of the double, the sign flipped, negative
 * numbers inverted; `s` and the text. Kinds never mix: false, true, numbers, texts.
 */
export const encoded = {
  of(value: AttributeValue): string {
    if (typeof value === 'boolean') return value ? 'b1' : 'b0';
    if (typeof value === 'string') return `s${value}`;
    const view = new DataView(new ArrayBuffer(8));
    view.setFloat64(0, value === 0 ? 0 : value); // -0 is 0
    const bits = view.getBigUint64(0);
    const flipped = bits >> 63n ? ~bits & 0xffff_ffff_ffff_ffffn : bits | 0x8000_0000_0000_0000n;
    return `n${flipped.toString(16).padStart(16, '0')}`;
  },
  /** What was made of a value. */
  read(text: string): AttributeValue {
    if (text.startsWith('b')) return text === 'b1';
    if (text.startsWith('s')) return text.slice(1);
    const flipped = BigInt(`0x${text.slice(1)}`);
    const view = new DataView(new ArrayBuffer(8));
    view.setBigUint64(0, flipped >> 63n ? flipped & 0x7fff_ffff_ffff_ffffn : ~flipped & 0xffff_ffff_ffff_ffffn);
    return view.getFloat64(0);
  },
  /** Below this one, and not below that, are the values of the same kind. */
  bounds(value: AttributeValue): { from: string; below: string } {
    if (typeof value === 'boolean') return { from: 'b', below: 'c' };
    return typeof value === 'number' ? { from: 'n', below: 'o' } : { from: 's', below: 't' };
  },
  /** @throws TypeError for what cannot be one */
  checked(text: string): string {
    if (!/^[bns]/.test(text) || text.length > longest || text.includes('\0') || !text.isWellFormed())
      throw new TypeError('not an encoded value');
    return text;
  },
};
