import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ArxivNativeError } from '../../src/errors.js';
import { readLabelEncoder } from '../../src/model/label-encoder.js';
import { checkpoint } from './checkpoints.js';
import { fixture } from './weights.js';

const scratch = mkdtempSync(join(tmpdir(), 'label-encoder-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const FOUR = ['cs.AI', 'cs.CL', 'cs.CV', 'cs.LG'];

describe('readLabelEncoder', () => {
  it.each(['texts', 'objects'].flatMap(kind => [2, 3, 4, 5].map(protocol => `${kind}-${protocol}`)))(
    'reads the classes of %s',
    async name => {
      expect(await readLabelEncoder(checkpoint(`labels/${name}.pkl`))).toEqual(FOUR);
    },
  );

  it('knows the names that older versions of numpy and scikit-learn wrote', async () => {
    expect(await readLabelEncoder(checkpoint('labels/texts-old.pkl'))).toEqual(FOUR);
    expect(await readLabelEncoder(fixture('pickles/label-encoder.pkl'))).toEqual(FOUR);
  });

  it('reads texts of other lengths and beyond Latin, of either byte order', async () => {
    const swapped = readFileSync(checkpoint('labels/texts-3.pkl'));
    const bytes = swapped.indexOf(Buffer.from('c\0\0\0s\0\0\0'));
    const four = swapped.subarray(bytes, bytes + 80);
    four.set([0x34, 0xf6, 0x01, 0], 12);
    four.set([0, 0, 0, 0], 16);
    four.swap32();
    swapped[swapped.indexOf('<')] = '>'.charCodeAt(0);
    const file = join(scratch, 'swapped.pkl');
    writeFileSync(file, swapped);
    expect(await readLabelEncoder(file)).toEqual(['cs.\u{1f634}', ...FOUR.slice(1)]);
  });

  it.each([
    ['a file that is not there', 'labels/absent.pkl', 'there is no such file'],
    ['classes that are numbers', 'labels/numbers.pkl', 'its LabelEncoder are no texts'],
    ['a LabelEncoder without classes', 'labels/unfitted.pkl', 'was never fitted'],
    ['another object', 'labels/no-encoder.pkl', 'no LabelEncoder'],
    ['a checkpoint', 'v5-script.pth', 'does not begin with a protocol'],
    [
      'a command',
      'labels/hostile.pkl',
      'the pickle asks for posix.system; a LabelEncoder needs no such thing',
    ],
  ])('refuses %s', async (_what, name, message) => {
    await expect(readLabelEncoder(checkpoint(name))).rejects.toMatchObject({
      code: 'BAD_MODEL',
      message: expect.stringContaining(message),
    });
  });

  it('refuses a pickle that is cut or damaged', async () => {
    for (const kind of ['texts-2', 'texts-5', 'objects-4']) {
      const whole = readFileSync(checkpoint(`labels/${kind}.pkl`));
      const file = join(scratch, 'damaged.pkl');
      for (let i = 0; i < whole.length; i += 5) {
        writeFileSync(file, whole.subarray(0, i));
        await expect(readLabelEncoder(file)).rejects.toMatchObject({ code: 'BAD_MODEL' });
        const damaged = Buffer.from(whole);
        damaged[i] = damaged[i]! ^ 0xff;
        writeFileSync(file, damaged);
        const found = await readLabelEncoder(file).catch(error => error as ArxivNativeError);
        if (found instanceof ArxivNativeError) expect(found.code).toBe('BAD_MODEL');
        else expect(found.map(label => typeof label)).toEqual(Array(found.length).fill('string'));
      }
    }
  });
});
