import { type FileHandle, open } from 'node:fs/promises';
import { ArxivNativeError } from '../errors.js';
import { fileError } from '../util/files.js';
import { printable } from '../util/format.js';

/** A weight file, read in small pieces: its tables are looked at here, its tensors only ever by the engine. */
export class ByteFile {
  private constructor(
    readonly path: string,
    /** Bytes. */
    readonly size: number,
    private readonly handle: FileHandle,
  ) {}

  /** Opens `path` for the time of `use`. @throws ArxivNativeError BAD_MODEL if it is absent, IO if it cannot be read */
  static async with<T>(path: string, use: (file: ByteFile) => Promise<T>): Promise<T> {
    let handle: FileHandle | undefined;
    try {
      handle = await open(path, 'r');
      const found = await handle.stat();
      if (!found.isFile()) throw new ArxivNativeError('BAD_MODEL', `${path} is not a file`);
      return await use(new ByteFile(path, found.size, handle));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
        throw new ArxivNativeError('BAD_MODEL', `${path}: there is no such file`, {
          remedy: 'Check the path.',
        });
      }
      throw fileError(error, `reading ${path}`);
    } finally {
      await handle?.close();
    }
  }

  /** @throws ArxivNativeError BAD_MODEL where the file ends before `offset + length` */
  async read(offset: number, length: number): Promise<Buffer> {
    if (offset < 0 || length < 0) throw this.malformed('it points before its beginning');
    if (offset + length > this.size) throw this.truncated(`${offset + length} bytes are needed`);
    const bytes = Buffer.alloc(length);
    for (let done = 0; done < length; ) {
      const { bytesRead } = await this.handle.read(bytes, done, length - done, offset + done);
      if (bytesRead === 0) throw this.truncated('it shrank while it was read');
      done += bytesRead;
    }
    return bytes;
  }

  /** `detail` may hold names from the file. */
  truncated(detail: string): ArxivNativeError {
    return new ArxivNativeError(
      'BAD_MODEL',
      `${this.path} is truncated: it has ${this.size} bytes, ${printable(detail)}`,
      {
        remedy: 'The file is incomplete: delete it, then fetch or copy it again.',
      },
    );
  }

  /** `detail` may hold names from the file. */
  malformed(detail: string): ArxivNativeError {
    return new ArxivNativeError('BAD_MODEL', `${this.path} is malformed: ${printable(detail)}`, {
      remedy: 'The file is damaged, or of another kind: fetch or copy it again.',
    });
  }
}
