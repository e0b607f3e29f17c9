import { crc32, deflateRawSync } from 'node:zlib';

export interface Member {
  name: string;
  content: string | Uint8Array;
  /** 0 stored, 8 deflated (default); another is only claimed. */
  method?: number;
  encrypted?: boolean;
  /** What the archive states, where that is not the truth. */
  crc?: number;
  size?: number;
}

const ENCRYPTED = 1;
/** How names are written. */
const UTF8 = 0x800;

/** A zip archive; with `zip64` all its sizes and places stand in fields of eight bytes. */
export function zipOf(members: Member[], { zip64 = false } = {}): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, content, method = 8, encrypted = false, ...stated } of members) {
    const bytes = Buffer.from(content);
    const packed = method === 8 ? deflateRawSync(bytes) : bytes;
    const { crc = crc32(bytes), size = bytes.length } = stated;
    const common = [u16(UTF8 | (encrypted ? ENCRYPTED : 0), method, 0, 0), u32(crc)];
    const sizes = zip64 ? u32(-1, -1) : u32(packed.length, size);
    const local = zip64 ? Buffer.concat([u16(1, 16), u64(size, packed.length)]) : Buffer.alloc(0);
    const central = zip64 ? Buffer.concat([u16(1, 24), u64(size, packed.length, offset)]) : local;
    const part = Buffer.concat([
      Buffer.from('PK\x03\x04'),
      u16(45),
      ...common,
      sizes,
      u16(name.length, local.length),
      Buffer.from(name),
      local,
      packed,
    ]);
    directory.push(
      Buffer.from('PK\x01\x02'),
      u16(45, 45),
      ...common,
      sizes,
      u16(name.length, central.length, 0, 0, 0, 0, 0),
      u32(zip64 ? -1 : offset),
      Buffer.from(name),
      central,
    );
    parts.push(part);
    offset += part.length;
  }
  const table = Buffer.concat(directory);
  const count = members.length;
  const large = [
    Buffer.from('PK\x06\x06'),
    u64(44),
    u16(45, 45),
    u32(0, 0),
    u64(count, count, table.length, offset),
    Buffer.from('PK\x06\x07'),
    u32(0),
    u64(offset + table.length),
    u32(1),
  ];
  const end = zip64
    ? [...large, Buffer.from('PK\x05\x06'), u16(0, 0, -1, -1), u32(-1, -1), u16(0)]
    : [Buffer.from('PK\x05\x06'), u16(0, 0, count, count), u32(table.length, offset), u16(0)];
  return Buffer.concat([...parts, table, ...end]);
}

const u16 = (...values: number[]) => Buffer.from(Uint16Array.from(values).buffer);
const u32 = (...values: number[]) => Buffer.from(Uint32Array.from(values).buffer);
const u64 = (...values: number[]) => Buffer.from(BigUint64Array.from(values.map(BigInt)).buffer);
