const DROPPED = /[\0\uFFFD]|(?![\t\n\r])[\p{Cc}\p{Cf}\p{Co}\p{Cs}]/gu;
/** The reference's ranges, its gap at U+2B820–U+2B91F included. */
const CHINESE =
  /[\u3400-\u4DBF\u4E00-\u9FFF\uF900-\uFAFF\u{20000}-\u{2A6DF}\u{2A700}-\u{2B81F}\u{2B920}-\u{2CEAF}\u{2F800}-\u{2FA1F}]/gu;
const PRINTABLE_ASCII = /^[\x20-\x7e]*$/;

/** `normalizer` of a tokenizer.json, of type BertNormalizer. */
export interface BertNormalizerConfig {
  clean_text?: boolean;
  handle_chinese_chars?: boolean;
  /** Absent or null: as `lowercase`. */
  strip_accents?: boolean | null;
  lowercase?: boolean;
}

/**
 * BERT's normalisation with the results of Hugging Face's Rust library, which the JavaScript one misses for Chinese
 * beyond the Basic Multilingual Plane and for a final Σ. Over all of Unicode the two then differ only in some 700
 * characters that are newer than the tables of the Rust library (Unicode 8), in no vocabulary in use.
 */
export function bertNormalizer(config: BertNormalizerConfig): (text: string) => string {
  const { clean_text, handle_chinese_chars, lowercase } = config;
  const stripAccents = config.strip_accents ?? lowercase;
  return text => {
    if (PRINTABLE_ASCII.test(text)) return lowercase ? text.toLowerCase() : text;
    let result = text;
    if (clean_text) result = result.replace(DROPPED, '').replace(/\s/g, ' ');
    if (handle_chinese_chars) result = result.replace(CHINESE, ' $& ');
    if (stripAccents) result = result.normalize('NFD').replace(/\p{Mn}/gu, '');
    // Letter by letter, as Rust does it: JavaScript alone would make a final Σ a ς.
    if (lowercase) result = result.replaceAll('Σ', 'σ').toLowerCase();
    return result;
  };
}
