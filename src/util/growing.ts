/** A typed array that grows at its end. */
export class Growing<T extends Int32Array | Float32Array> {
  length = 0;

  /** @param array what was pushed is at its front; another one after a push that found it full */
  constructor(public array: T) {}

  push(value: number): void {
    if (this.length === this.array.length) {
      const larger = new (this.array.constructor as new (length: number) => T)(2 * this.length + 1024);
      larger.set(this.array);
      this.array = larger;
    }
    this.array[this.length++] = value;
  }

  /** A copy of what was pushed, no longer than that. */
  toArray(): T {
    return this.array.slice(0, this.length) as T;
  }
}
