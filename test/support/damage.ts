/** Cuts, overwrites, inserts or removes a few bytes, most often near the tables, which lie at one of the ends. */
export function damage(original: Buffer, next: () => number): Buffer {
  const somewhere = (length: number): number => Math.floor(next() ** (next() < 0.5 ? 3 : 1) * length);
  let bytes = Buffer.from(original);
  for (let edits = 1 + Math.floor(next() * 4); edits > 0 && bytes.length > 0; edits--) {
    const at = next() < 0.5 ? somewhere(bytes.length) : bytes.length - 1 - somewhere(bytes.length);
    const kind = next();
    if (kind < 0.2) bytes = bytes.subarray(0, at);
    else if (kind < 0.8) bytes[at] = next() < 0.3 ? 0xff : Math.floor(next() * 256);
    else if (kind < 0.9)
      bytes = Buffer.concat([bytes.subarray(0, at), Buffer.alloc(3, 0x28), bytes.subarray(at)]);
    else bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + Math.floor(next() * 8))]);
  }
  return bytes;
}
