/** Pairs are keyed by one double, which holds integers below 2^53 exactly. */
const RADIX = 2 ** 26;
const EMPTY = -1;

/**
 * Numbers pairs of integers (from 0, below 2^26) in the order in which they come. A hash table in typed arrays: a Map
 * of some million pairs takes several times the memory and time, and ends at 2^24 of them.
 */
export class PairTable {
  private keys: Float64Array;
  private numbers: Int32Array;
  private count = 0;

  /** @param expected so many pairs fit without growing */
  constructor(expected = 512) {
    const slots = 2 ** Math.ceil(Math.log2(Math.max(1, expected) * 2));
    this.keys = new Float64Array(slots).fill(EMPTY);
    this.numbers = new Int32Array(slots);
  }

  get size(): number {
    return this.count;
  }

  /** The pair's number; −1 if it has none. */
  find(a: number, b: number): number {
    const slot = this.slotOf(a, b);
    return this.keys[slot] === EMPTY ? -1 : this.numbers[slot]!;
  }

  /** The pair's number, the next free one if it has none yet. */
  add(a: number, b: number): number {
    let slot = this.slotOf(a, b);
    if (this.keys[slot] !== EMPTY) return this.numbers[slot]!;
    if (this.count * 2 >= this.keys.length) {
      this.grow();
      slot = this.slotOf(a, b);
    }
    this.keys[slot] = a * RADIX + b;
    this.numbers[slot] = this.count;
    return this.count++;
  }

  /** Calls back with every pair and its number, in no order. */
  forEach(visit: (a: number, b: number, number: number) => void): void {
    for (let slot = 0; slot < this.keys.length; slot++) {
      const key = this.keys[slot]!;
      if (key !== EMPTY) visit(Math.floor(key / RADIX), key % RADIX, this.numbers[slot]!);
    }
  }

  /** Where the pair is, or the empty slot where it would be. */
  private slotOf(a: number, b: number): number {
    const { keys } = this;
    const key = a * RADIX + b;
    const mask = keys.length - 1;
    let hash = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
    let slot = (hash ^ (hash >>> 13)) & mask;
    while (keys[slot] !== key && keys[slot] !== EMPTY) slot = (slot + 1) & mask;
    return slot;
  }

  private grow(): void {
    const { keys, numbers } = this;
    this.keys = new Float64Array(2 * keys.length).fill(EMPTY);
    this.numbers = new Int32Array(2 * keys.length);
    for (let old = 0; old < keys.length; old++) {
      const key = keys[old]!;
      if (key === EMPTY) continue;
      const slot = this.slotOf(Math.floor(key / RADIX), key % RADIX);
      this.keys[slot] = key;
      this.numbers[slot] = numbers[old]!;
    }
  }
}
