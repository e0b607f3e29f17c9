import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { fromRandomAccessReaderPromise, RandomAccessReader, type ZipFile } from 'yauzl';

const CHUNK = 1 << 20;

/**
 * What yauzl reads an archive through. Its own reader of files throws where nobody can catch it when a damaged archive
 * points outside the file.
 */
export class BoundedReader extends RandomAccessReader {
  /** @param bytes so many bytes at an offset of the file; rejects where the file has none */
  constructor(private readonly bytes: (offset: number, length: number) => Promise<Buffer>) {
    super();
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null) => void,
  ): void {
    this.bytes(position, length).then(bytes => {
      bytes.copy(buffer, offset);
      callback(null);
    }, callback);
  }

  override _readStreamForRange(start: number, end: number): Readable {
    return Readable.from(this.chunks(start, end), { objectMode: false });
  }

  private async *chunks(start: number, end: number): AsyncGenerator<Buffer> {
    for (let at = start; at < end; at += CHUNK) yield await this.bytes(at, Math.min(CHUNK, end - at));
  }
}

/** The archive in an open file, which stays open. @throws Error for what is no archive, or a cut one */
export async function openZip(file: FileHandle): Promise<ZipFile> {
  const { size } = await file.stat();
  const reader = new BoundedReader((offset, length) => readBytes(file, offset, length));
  return await fromRandomAccessReaderPromise(reader, size, { autoClose: false });
}

/** So many bytes at an offset. @throws Error where the file ends before */
export async function readBytes(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(bytes, done, length - done, offset + done);
    if (bytesRead === 0) throw new Error(`it ends before byte ${offset + length}`);
    done += bytesRead;
  }
  return bytes;
}
