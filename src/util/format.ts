const LONGEST = 200;

/** 0.873 → 87.3 %. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** Text from a file, which may be hostile, as it may reach a terminal: cut short, without control characters. */
export function printable(text: string): string {
  return text.slice(0, LONGEST).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?');
}
