const LONGEST = 200;

/** 0.873 → 87.3 %. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** 1234567 → 1,234,567. */
export function grouped(count: number): string {
  return count.toLocaleString('en-US');
}

/** 1 epoch, 2 epochs, 1,000 epochs. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${grouped(count)} ${count === 1 ? noun : plural}`;
}

/** Text from a file, which may be hostile, as it may reach a terminal: cut short, without control characters. */
export function printable(text: string): string {
  return printableWhole(text.slice(0, LONGEST));
}

/** As {@link printable}, but of any length. */
export function printableWhole(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?');
}
