import { ArxivNativeError } from '../errors.js';
import { printable } from '../util/format.js';

/** What a pickle may name: a class or function of Python's, as we choose to understand it. */
export interface PickleGlobal {
  /**
   * For REDUCE and NEWOBJ: the call's value. Absent for a name that is only passed about. The arguments are whatever
   * the file has there; a RangeError says that they do not fit.
   */
  call?(...args: unknown[]): unknown;
  /** For BUILD: takes the state of an object that `call` made. Objects without it keep none. */
  build?(object: unknown, state: unknown): void;
}

interface PickleOptions {
  /** For messages. */
  file: string;
  /** What the pickle may name, keyed `module.name`. Anything else is refused. */
  globals: Readonly<Record<string, PickleGlobal>>;
  /** What has no need of more than `globals`, for the message of a refusal: "a state dict". */
  purpose: string;
  /** The value of a persistent id; refused if absent. */
  persistentLoad?: (id: unknown) => unknown;
}

/** A pickle of this many bytes or instructions is no state dict's. */
export const LARGEST_PICKLE = 16 * 2 ** 20;
const MOST_INSTRUCTIONS = 1_000_000;
const MOST_ARGUMENTS = 16;
/** Items of lists and characters of texts, over all calls: one list in many calls would be copied as often. */
const MOST_ARGUMENT_ITEMS = LARGEST_PICKLE;

const MARK = Symbol('mark');

/**
 * Reads one pickle of protocol 2 to 5 from the start of `bytes`. Nothing of Python is executed: a name is looked up in
 * `globals` and refused if it is not there. dict → Map, list and tuple → array, set → Set, int → number (bigint beyond
 * 2^53), bytes → Uint8Array, None → null.
 *
 * @returns the value and the number of bytes read.
 * @throws ArxivNativeError BAD_MODEL for a refused name, a truncated or malformed pickle.
 */
export function unpickle(bytes: Uint8Array, options: PickleOptions): { value: unknown; end: number } {
  return new Unpickler(bytes, options).run();
}

class Unpickler {
  private readonly view: DataView;
  private readonly stack: unknown[] = [];
  private readonly memo = new Map<number, unknown>();
  /** Which global made an object: BUILD asks it to take the state. */
  private readonly makers = new WeakMap<object, PickleGlobal>();
  private readonly known: Map<string, PickleGlobal>;
  private readonly callables: Set<PickleGlobal>;
  private position = 0;
  private argumentItems = 0;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly options: PickleOptions,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.known = new Map(Object.entries(options.globals));
    this.callables = new Set(this.known.values());
  }

  run(): { value: unknown; end: number } {
    if (this.byte() !== 0x80) throw this.malformed('it does not begin with a protocol');
    const protocol = this.byte();
    if (protocol < 2 || protocol > 5) throw this.malformed(`protocol ${protocol}; 2 to 5 are read`);
    try {
      return this.steps();
    } catch (error) {
      // Of a call that its arguments do not fit, or of values nested too deeply or grown too large.
      if (error instanceof RangeError) throw this.malformed(error.message);
      throw error;
    }
  }

  private steps(): { value: unknown; end: number } {
    for (let count = 0; count < MOST_INSTRUCTIONS; count++) {
      const opcode = this.byte();
      if (opcode === 0x2e /* STOP */) return { value: this.pop(), end: this.position };
      this.step(opcode);
    }
    throw this.malformed(`more than ${MOST_INSTRUCTIONS} instructions`);
  }

  private step(opcode: number): void {
    switch (opcode) {
      case 0x95: // FRAME: only a hint for buffering
        this.long8();
        return;
      case 0x28: // MARK
        this.stack.push(MARK);
        return;
      case 0x30: // POP
        this.popAny();
        return;
      case 0x31: // POP_MARK
        this.popMark();
        return;
      case 0x32: // DUP
        this.stack.push(this.top());
        return;

      case 0x4e: // NONE
        this.stack.push(null);
        return;
      case 0x88: // NEWTRUE
        this.stack.push(true);
        return;
      case 0x89: // NEWFALSE
        this.stack.push(false);
        return;
      case 0x4a: // BININT
        this.stack.push(this.view.getInt32(this.take(4), true));
        return;
      case 0x4b: // BININT1
        this.stack.push(this.byte());
        return;
      case 0x4d: // BININT2
        this.stack.push(this.view.getUint16(this.take(2), true));
        return;
      case 0x8a: // LONG1
        this.stack.push(this.long(this.byte()));
        return;
      case 0x8b: // LONG4
        this.stack.push(this.long(this.view.getInt32(this.take(4), true)));
        return;
      case 0x47: // BINFLOAT
        this.stack.push(this.view.getFloat64(this.take(8), false));
        return;

      case 0x8c: // SHORT_BINUNICODE
        this.stack.push(this.text(this.byte()));
        return;
      case 0x58: // BINUNICODE
        this.stack.push(this.text(this.long4()));
        return;
      case 0x8d: // BINUNICODE8
        this.stack.push(this.text(this.long8()));
        return;
      case 0x55: // SHORT_BINSTRING: Python 2's str
        this.stack.push(latin1(this.slice(this.byte())));
        return;
      case 0x54: // BINSTRING
        this.stack.push(latin1(this.slice(this.long4())));
        return;
      case 0x43: // SHORT_BINBYTES
        this.stack.push(this.slice(this.byte()));
        return;
      case 0x42: // BINBYTES
        this.stack.push(this.slice(this.long4()));
        return;
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        this.stack.push(this.slice(this.long8()));
        return;

      case 0x5d: // EMPTY_LIST
      case 0x29: // EMPTY_TUPLE
        this.stack.push([]);
        return;
      case 0x7d: // EMPTY_DICT
        this.stack.push(new Map());
        return;
      case 0x8f: // EMPTY_SET
        this.stack.push(new Set());
        return;
      case 0x61: // APPEND
        this.append([this.pop()]);
        return;
      case 0x65: // APPENDS
        this.append(this.popMark());
        return;
      case 0x73: // SETITEM
        this.setItems(this.popMany(2));
        return;
      case 0x75: // SETITEMS
        this.setItems(this.popMark());
        return;
      case 0x90: // ADDITEMS
        this.addItems(this.popMark());
        return;
      case 0x91: // FROZENSET
        this.stack.push(new Set(this.popMark()));
        return;
      case 0x74: // TUPLE
        this.stack.push(this.popMark());
        return;
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        this.stack.push(this.popMany(opcode - 0x84));
        return;

      case 0x68: // BINGET
        this.stack.push(this.recall(this.byte()));
        return;
      case 0x6a: // LONG_BINGET
        this.stack.push(this.recall(this.long4()));
        return;
      case 0x71: // BINPUT
        this.memo.set(this.byte(), this.top());
        return;
      case 0x72: // LONG_BINPUT
        this.memo.set(this.long4(), this.top());
        return;
      case 0x94: // MEMOIZE
        this.memo.set(this.memo.size, this.top());
        return;

      case 0x63: // GLOBAL
        this.stack.push(this.lookUp(this.line(), this.line()));
        return;
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = this.popMany(2);
        this.stack.push(this.lookUp(module, name));
        return;
      }
      case 0x52: // REDUCE
      case 0x81: {
        // NEWOBJ
        const [callable, args] = this.popMany(2);
        this.stack.push(this.call(callable, args));
        return;
      }
      case 0x92: {
        // NEWOBJ_EX
        const [callable, args, keywords] = this.popMany(3);
        if (!(keywords instanceof Map) || keywords.size > 0) throw this.malformed('a call with keywords');
        this.stack.push(this.call(callable, args));
        return;
      }
      case 0x62: // BUILD
        this.build(this.pop());
        return;
      case 0x51: // BINPERSID
        if (!this.options.persistentLoad) throw this.malformed('a persistent id');
        this.stack.push(this.options.persistentLoad(this.pop()));
        return;
    }
    throw this.malformed(`an instruction 0x${opcode.toString(16)} that pickles of its kind have not`);
  }

  private lookUp(module: unknown, name: unknown): PickleGlobal {
    if (typeof module !== 'string' || typeof name !== 'string')
      throw this.malformed('a name that is no text');
    const found = this.known.get(`${module}.${name}`);
    if (found) return found;
    const { file, purpose } = this.options;
    const asked = printable(`${module}.${name}`);
    throw new ArxivNativeError(
      'BAD_MODEL',
      `${file}: refused: the pickle asks for ${asked}; ${purpose} needs no such thing`,
      {
        remedy:
          'Use only files from people you trust. In PyTorch, save the weights alone: torch.save(model.state_dict(), …), or use safetensors.',
      },
    );
  }

  private call(callable: unknown, args: unknown): unknown {
    // Only what lookUp pushed counts as a function, whatever fields other values have.
    const global = this.callables.has(callable as PickleGlobal) ? (callable as PickleGlobal) : undefined;
    if (!global?.call) throw this.malformed('a call of what is no function');
    if (!Array.isArray(args) || args.length > MOST_ARGUMENTS)
      throw this.malformed('a call without fit arguments');
    for (const arg of args)
      if (Array.isArray(arg) || typeof arg === 'string') this.argumentItems += arg.length;
    if (this.argumentItems > MOST_ARGUMENT_ITEMS) throw this.malformed('calls with too many values');
    const made = global.call(...args);
    if (typeof made === 'object' && made !== null) this.makers.set(made, global);
    return made;
  }

  private build(state: unknown): void {
    const object = this.top();
    const maker = typeof object === 'object' && object !== null ? this.makers.get(object) : undefined;
    if (!maker) throw this.malformed('a state for what takes none');
    maker.build?.(object, state);
  }

  private append(items: unknown[]): void {
    const list = this.top();
    if (!Array.isArray(list)) throw this.malformed('items for what is no list');
    for (const item of items) list.push(item);
  }

  private setItems(items: unknown[]): void {
    const map = this.top();
    if (!(map instanceof Map) || items.length % 2 !== 0) throw this.malformed('entries for what is no dict');
    for (let i = 0; i < items.length; i += 2) map.set(items[i], items[i + 1]);
  }

  private addItems(items: unknown[]): void {
    const set = this.top();
    if (!(set instanceof Set)) throw this.malformed('members for what is no set');
    for (const item of items) set.add(item);
  }

  private recall(index: number): unknown {
    if (!this.memo.has(index)) throw this.malformed(`a memo ${index} that was never set`);
    return this.memo.get(index);
  }

  private top(): unknown {
    const value = this.stack.at(-1);
    if (value === undefined || value === MARK) throw this.malformed('an empty stack');
    return value;
  }

  private pop(): unknown {
    const value = this.top();
    this.stack.pop();
    return value;
  }

  private popAny(): void {
    if (this.stack.length === 0) throw this.malformed('an empty stack');
    this.stack.pop();
  }

  private popMany(count: number): unknown[] {
    const values = Array.from({ length: count }, () => this.pop());
    return values.reverse();
  }

  private popMark(): unknown[] {
    const mark = this.stack.lastIndexOf(MARK);
    if (mark < 0) throw this.malformed('a missing mark');
    return this.stack.splice(mark).slice(1);
  }

  private take(count: number): number {
    const start = this.position;
    if (count < 0 || start + count > this.bytes.length) {
      throw new ArxivNativeError('BAD_MODEL', `${this.options.file}: the pickle in it is truncated`, {
        remedy: 'The file is incomplete: delete it, then fetch or copy it again.',
      });
    }
    this.position += count;
    return start;
  }

  private byte(): number {
    return this.bytes[this.take(1)]!;
  }

  private long4(): number {
    return this.view.getUint32(this.take(4), true);
  }

  private long8(): number {
    return Number(this.view.getBigUint64(this.take(8), true));
  }

  private slice(length: number): Uint8Array {
    const start = this.take(length);
    return this.bytes.subarray(start, start + length);
  }

  private text(length: number): string {
    return utf8.decode(this.slice(length));
  }

  /** A little-endian two's complement integer of any length. */
  private long(length: number): number | bigint {
    if (length > 1024) throw this.malformed(`an integer of ${length} bytes`);
    const hex = Buffer.from(this.slice(length)).reverse().toString('hex');
    const value = BigInt.asIntN(8 * length, BigInt(`0x${hex || '0'}`));
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }

  private line(): string {
    const end = this.bytes.indexOf(0x0a, this.position);
    const text = this.text((end < 0 ? this.bytes.length : end) - this.position);
    this.take(1);
    return text;
  }

  private malformed(what: string): ArxivNativeError {
    const where = `${this.options.file}: the pickle in it is malformed at byte ${this.position}`;
    return new ArxivNativeError('BAD_MODEL', `${where}: ${what}`, {
      remedy: 'The file is damaged, or no such file at all: fetch or copy it again.',
    });
  }
}

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
