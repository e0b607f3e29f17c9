import type {
  Translation,
  Translator,
  TranslatorKind,
  TranslatorOptions,
} from '../../src/augment/translator.js';

/** A translator in this process that the test tells what to say. */
export const fake = {
  say: (text: string, _options: TranslatorOptions): Translation => ({ text }),
  asked: [] as string[],
  open: 0,
  options: [] as TranslatorOptions[],
  version: 1,
  mark: undefined as string | undefined,
  reset(): void {
    fake.say = text => ({ text });
    fake.asked = [];
    fake.open = 0;
    fake.options = [];
    fake.mark = undefined;
    fake.version++;
  },
};

export const fakeKind: TranslatorKind = {
  async survey({ from, to }) {
    return { model: `fake ${from}-${to}`, download: 5, wordsPerSecond: 10 };
  },
  async open(options): Promise<Translator> {
    fake.open++;
    fake.options.push(options);
    return {
      identity: `fake ${fake.version}, ${options.from}-${options.to}`,
      ...(fake.mark !== undefined && { unknownMark: fake.mark }),
      async translate(texts, deliver) {
        for (const [i, text] of texts.entries()) {
          fake.asked.push(text);
          deliver(i, fake.say(text, options));
        }
      },
      async close() {
        fake.open--;
      },
    };
  },
};
