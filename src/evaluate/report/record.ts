/**
 * What a training.json says, of whatever version or hand: what is absent or of another type is undefined.
 */
export class TrainingRecordReader {
  constructor(private readonly record: object) {}

  /** @param path keys with points between them */
  value(path: string): unknown {
    return path
      .split('.')
      .reduce<unknown>(
        (value, key) => (isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined),
        this.record,
      );
  }

  number(path: string): number | undefined {
    const value = this.value(path);
    return isNumber(value) ? value : undefined;
  }

  text(path: string): string | undefined {
    const value = this.value(path);
    return typeof value === 'string' && value !== '' ? value : undefined;
  }

  /** The numbers of a list that holds nothing else. */
  numbers(path: string): number[] | undefined {
    const value = this.value(path);
    return Array.isArray(value) && value.every(isNumber) ? value : undefined;
  }

  /** The objects of a list. */
  objects(path: string): Record<string, unknown>[] {
    const value = this.value(path);
    return Array.isArray(value) ? value.filter(isObject) : [];
  }

  /** The names and values of an object. */
  entries(path: string): [string, unknown][] {
    const value = this.value(path);
    return isObject(value) ? Object.entries(value) : [];
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

export function isNumber(value: unknown): value is number {
  return Number.isFinite(value);
}
