import { ArxivNativeError } from '../errors.js';

const DATE = /^(\d{4})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12]\d|3[01]))?)?(?![\d-])/;

/** The day, month or year at the start of a date in ISO 8601: `2025-06-30`, `2025-06` or `2025`; undefined for another form. */
export function dateOf(published: string | undefined): string | undefined {
  return published === undefined ? undefined : DATE.exec(published)?.[0];
}

const DAY = /^\d{4}-\d{2}-\d{2}$/;

/** Days of a calendar (`2025-06-30`), both included; an end that is absent is open. */
export interface DateRange {
  from?: string | undefined;
  to?: string | undefined;
}

/** @throws BAD_OPTION for what is no day (`2025-06-31`, `June`), and for an end before the beginning */
export function checkDateRange({ from, to }: DateRange): void {
  for (const [name, day] of Object.entries({ from, to })) {
    if (day === undefined) continue;
    const time = DAY.test(day) ? Date.parse(`${day}T00:00:00Z`) : Number.NaN;
    // JavaScript takes the 31st of June for the 1st of July.
    if (!Number.isNaN(time) && new Date(time).toISOString().startsWith(day)) continue;
    throw new ArxivNativeError(
      'BAD_OPTION',
      `"${name}" must be a day as 2025-06-30, not ${JSON.stringify(day)}`,
    );
  }
  if (from !== undefined && to !== undefined && from > to) {
    throw new ArxivNativeError('BAD_OPTION', `"from" (${from}) comes after "to" (${to})`);
  }
}

/** Whether a day lies in the range; of a month or a year, whether any of its days does. */
export function isWithin(date: string, { from, to }: DateRange): boolean {
  const { length } = date;
  return (
    (from === undefined || date >= from.slice(0, length)) && (to === undefined || date <= to.slice(0, length))
  );
}
