/** GPT-2's words: contractions, letters, digits, the rest, each with the one space before it; and runs of space. */
const WORDS =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** A character for each byte: itself where it is printable, else one from U+0100 on, in the bytes' order. */
export const BYTE_CHARACTERS: readonly string[] = byteCharacters();

function byteCharacters(): string[] {
  let next = 0x100;
  const isPrintable = (byte: number) => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : next++));
}

/**
 * The words of a text as Hugging Face's Rust library splits it before byte-level BPE. The JavaScript one takes U+FEFF
 * for a space and U+0085 for none.
 */
export function byteLevelWords(text: string, addPrefixSpace: boolean): string[] {
  return (addPrefixSpace && !text.startsWith(' ') ? ` ${text}` : text).match(WORDS) ?? [];
}

/** A word in the characters that a byte-level vocabulary is written in. */
export function byteLevelSpelling(word: string): string {
  return Array.from(Buffer.from(word, 'utf8'), byte => BYTE_CHARACTERS[byte]).join('');
}
