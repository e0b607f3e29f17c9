import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { LARGEST_PICKLE, type PickleGlobal, unpickle } from '../../src/model/pickle.js';
import { fixture, pickle } from './weights.js';

const options = { file: 'file.pkl', globals: {}, purpose: 'this test' };
const bytes = (...parts: (string | number | number[])[]): Uint8Array =>
  Buffer.concat(
    parts.map(part => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from([part].flat()))),
  );

describe('unpickle', () => {
  it.each([2, 3, 4, 5])('reads every plain value of protocol %i', protocol => {
    const globals: Record<string, PickleGlobal> = {
      'collections.OrderedDict': { call: () => new Map() },
      '_codecs.encode': { call: text => Buffer.from(String(text), 'latin1') },
      // Protocol 2 and 3 have no instruction for sets.
      '__builtin__.set': { call: items => new Set(items as unknown[]) },
      '__builtin__.frozenset': { call: items => new Set(items as unknown[]) },
      'builtins.set': { call: items => new Set(items as unknown[]) },
      'builtins.frozenset': { call: items => new Set(items as unknown[]) },
    };
    const file = readFileSync(fixture(`pickles/values-${protocol}.pkl`));
    const { value, end } = unpickle(file, { ...options, globals });
    expect(end).toBe(file.length);
    const map = value as Map<string, unknown>;
    expect(map.get('ints')).toEqual([0, 255, 256, 65536, -1, -(2 ** 31), 2 ** 40, -(2n ** 62n), 2n ** 100n]);
    expect(map.get('floats')).toEqual([0.5, -1e300]);
    expect(map.get('texts')).toEqual(['', 'é', 'x'.repeat(300), '\u{1f600}']);
    expect(map.get('none')).toBeNull();
    expect(map.get('flags')).toEqual([true, false]);
    expect([...(map.get('bytes') as Uint8Array)]).toEqual([0, 255]);
    expect(map.get('set')).toEqual(new Set([1]));
    expect(map.get('frozen')).toEqual(new Set([2]));
    expect(map.get('tuples')).toEqual([[], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4]]);
    expect(map.get('dict')).toEqual(new Map([['a', 1]]));
    expect(map.get('again')).toBe(map.get('ints'));
  });

  it('reads a scikit-learn LabelEncoder, given what its names mean', () => {
    interface Array {
      shape?: unknown;
      data?: unknown;
    }
    const ndarray: PickleGlobal = {};
    const globals: Record<string, PickleGlobal> = {
      'sklearn.preprocessing._label.LabelEncoder': {
        call: () => ({}),
        build: (object, state) =>
          Object.assign(object as object, Object.fromEntries(state as Map<string, unknown>)),
      },
      'numpy.ndarray': ndarray,
      'numpy._core.multiarray._reconstruct': {
        call: () => ({}),
        build: (object, state) => {
          const [, shape, , , data] = state as unknown[];
          Object.assign(object as Array, { shape, data });
        },
      },
      'numpy.dtype': { call: () => ({}), build: () => {} },
    };
    const file = readFileSync(fixture('pickles/label-encoder.pkl'));
    const { classes_: classes } = unpickle(file, { ...options, globals }).value as { classes_: Array };
    const text =
      JSON.stringify(classes.data) + Buffer.from((classes.data as Uint8Array) ?? []).toString('utf16le');
    expect(classes.shape).toEqual([4]);
    for (const label of ['AI', 'CL', 'CV', 'LG']) expect(text.replaceAll('\0', '')).toContain(label);
  });

  it.each([
    ['GLOBAL', pickle('cposix\nsystem\n', 0x85, '.')],
    ['STACK_GLOBAL', bytes([0x80, 4], [0x8c, 5], 'posix', [0x8c, 6], 'system', 0x93, '.')],
  ])('refuses a name that it was not given, by %s', (_opcode, hostile) => {
    expect(() => unpickle(hostile, options)).toThrow(
      'file.pkl: refused: the pickle asks for posix.system; this test needs no such thing',
    );
  });

  it('refuses names that every JavaScript object has', () => {
    for (const name of ['constructor', '__proto__', 'toString']) {
      const globals = { 'a.b': { call: () => 1 } };
      expect(() => unpickle(pickle(`c${name}\n${name}\n.`), { ...options, globals })).toThrow('refused');
    }
  });

  it('prints no control characters of a hostile name', () => {
    expect(() => unpickle(pickle('cevil\x1b[2J\nname\n.'), options)).toThrow(/asks for evil\?\[2J\.name;/);
  });

  it.each([
    ['nothing', bytes()],
    ['no protocol', bytes('(lp0\n.')],
    ['protocol 0', bytes([0x80, 0], 'N.')],
    ['protocol 6', bytes([0x80, 6], 'N.')],
    ['no end', pickle('N')],
    ['an empty stack', pickle('.')],
    ['a missing mark', pickle('Nt.')],
    ['a mark for a value', pickle('(.')],
    ['a text longer than the file', pickle('X', [255, 255, 255, 255], 'abc')],
    ['a text of 2^63 bytes', bytes([0x80, 4, 0x8d], [0, 0, 0, 0, 0, 0, 0, 128], '.')],
    ['an integer longer than the file', pickle(0x8b, [255, 255, 0, 0], '.')],
    ['an integer of negative length', pickle(0x8b, [255, 255, 255, 255], '.')],
    ['a memo never set', pickle('h', 7, '.')],
    ['a call of a number', pickle('K', 1, ')R.')],
    ['a call of a text', pickle('U', 1, 'x', ')R.')],
    ['a state for a list', pickle(']}b.')],
    ['an entry for a list', pickle(']NNs.')],
    ['an item for a dict', pickle('}Na.')],
    ['a member for a list', bytes([0x80, 4], ']', '(N', 0x90, '.')],
    ['an odd number of entries', pickle('}(Nu.')],
    ['a persistent id', pickle('U', 1, 'x', 'Q.')],
    ['an unknown instruction', pickle(0xff, '.')],
    ['an instruction of protocol 0', pickle('I1\n.')],
    ['a name without an end', pickle('cposix')],
  ])('refuses %s', (_what, input) => {
    expect(() => unpickle(input, options)).toThrow(expect.objectContaining({ code: 'BAD_MODEL' }));
  });

  it('is no slower or larger for a hostile pickle than for an honest one', () => {
    const started = performance.now();
    const deep = Buffer.concat([
      pickle(),
      Buffer.alloc(500_000, ']'),
      Buffer.alloc(499_990, 'a'),
      Buffer.from('.'),
    ]);
    expect(unpickle(deep, options).value).toBeInstanceOf(Array);
    const endless = Buffer.concat([pickle(), Buffer.alloc(LARGEST_PICKLE, '}')]);
    expect(() => unpickle(endless, options)).toThrow('instructions');
    const marks = Buffer.concat([pickle(), Buffer.alloc(900_000, '('), Buffer.from('t.')]);
    expect(() => unpickle(marks, options)).not.toThrow();
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  it('takes a call that finds its arguments unfit, or too deep, for a malformed file', () => {
    const globals = { 'a.b': { call: (value: unknown) => String(value) } };
    const deep = pickle('ca\nb\n', Buffer.alloc(100_000, ']'), Buffer.alloc(99_999, 'a'), 0x85, 'R.');
    expect(() => unpickle(deep, { ...options, globals })).toThrow(
      expect.objectContaining({ code: 'BAD_MODEL', message: expect.stringContaining('call stack') }),
    );
  });

  it('gives no million calls the same long list', () => {
    const globals = { 'a.b': { call: (items: unknown) => new Set(items as unknown[]) } };
    const list = [pickle('ca\nb\nq', 0, ']q', 1, '('), Buffer.alloc(300_000, 'N'), Buffer.from('e')];
    const calls = Buffer.from('h\0h\x01\x85R0'.repeat(100_000), 'latin1');
    const started = performance.now();
    expect(() =>
      unpickle(Buffer.concat([...list, calls, Buffer.from('.')]), { ...options, globals }),
    ).toThrow(
      expect.objectContaining({ code: 'BAD_MODEL', message: expect.stringContaining('too many values') }),
    );
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it('gives no call a million arguments', () => {
    const globals = { 'a.b': { call: (...args: unknown[]) => args.length } };
    const many = Buffer.concat([pickle('ca\nb\n('), Buffer.alloc(500_000, 'N'), Buffer.from('tR.')]);
    expect(() => unpickle(many, { ...options, globals })).toThrow('arguments');
  });
});
