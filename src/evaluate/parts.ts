/** The papers that something is fitted on after training, and those that show what it is worth. */
export type JudgedPart = 'validation' | 'test';

export function eachPart<T>(of: (part: JudgedPart) => T): Record<JudgedPart, T> {
  return { validation: of('validation'), test: of('test') };
}

/** Of a list in that order. */
export function byPart<T>([validation, test]: readonly T[]): Record<JudgedPart, T> {
  return { validation: validation!, test: test! };
}
