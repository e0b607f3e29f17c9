interface Waiting<Item, Result> {
  item: Item;
  resolve: (result: Result) => void;
  reject: (error: unknown) => void;
}

/**
 * Lets single requests share a batch: what arrives in one turn of the event loop, or while a batch is running,
 * goes through `run` together, `size` items at most, in the order of arrival.
 */
export class Batcher<Item, Result> {
  readonly #run: (items: Item[]) => Promise<Result[]>;
  readonly #size: number;
  readonly #waiting: Waiting<Item, Result>[] = [];
  #draining = false;

  /** `run` gives one result an item, in their order; if it rejects, every item of that batch does. */
  constructor(run: (items: Item[]) => Promise<Result[]>, size: number) {
    this.#run = run;
    this.#size = size;
  }

  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (this.#draining) return;
      this.#draining = true;
      setImmediate(() => this.#drain());
    });
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, this.#size);
      try {
        const results = await this.#run(batch.map(({ item }) => item));
        for (const [i, { resolve }] of batch.entries()) resolve(results[i] as Result);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#draining = false;
  }
}
