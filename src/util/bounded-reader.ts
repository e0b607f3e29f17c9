import { Readable } from 'node:stream';
import { RandomAccessReader } from 'yauzl';

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
