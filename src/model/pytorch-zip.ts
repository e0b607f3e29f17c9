import { type Entry, fromRandomAccessReaderPromise, type ZipFile } from 'yauzl';
import { ArxivNativeError } from '../errors.js';
import { BoundedReader } from '../util/bounded-reader.js';
import { printable } from '../util/format.js';
import { ByteFile } from './byte-file.js';
import { LARGEST_PICKLE } from './pickle.js';
import { type Checkpoint, readStateDict } from './state-dict.js';

const STORED = 0;

/**
 * A PyTorch checkpoint in the zip format (torch.save since 1.6): NAME/data.pkl holds the state dict,
 * NAME/data/KEY the elements of a storage, uncompressed, so that each is a range of the file.
 *
 * @throws ArxivNativeError BAD_MODEL for a compressed, big-endian, truncated or hostile archive.
 */
export function openPyTorchZip(path: string): Promise<Checkpoint> {
  return ByteFile.with(path, async file => {
    const zip = await orMalformed(
      file,
      fromRandomAccessReaderPromise(
        new BoundedReader((offset, length) => file.read(offset, length)),
        file.size,
        {
          autoClose: false,
        },
      ),
    );
    try {
      const entries = await readEntries(file, zip);
      const root = rootFolder(file, entries);
      const place = async (name: string): Promise<{ offset: number; bytes: number }> => {
        const entry = entries.get(`${root}/${name}`);
        if (!entry) throw file.malformed(`${root}/${name} is missing in the archive`);
        return locateEntry(file, zip, entry);
      };

      if (entries.has(`${root}/byteorder`)) {
        const { offset, bytes } = await place('byteorder');
        const order = (await file.read(offset, Math.min(bytes, 16))).toString('latin1');
        if (order !== 'little')
          throw file.malformed(`its numbers are ${order}-endian; little-endian ones are read`);
      }
      const { offset, bytes } = await place('data.pkl');
      if (bytes > LARGEST_PICKLE) throw file.malformed(`a pickle of ${bytes} bytes`);
      return await readStateDict(await file.read(offset, bytes), file).checkpoint(key =>
        place(`data/${key}`),
      );
    } finally {
      zip.close();
    }
  });
}

async function readEntries(file: ByteFile, zip: ZipFile): Promise<Map<string, Entry>> {
  const entries = new Map<string, Entry>();
  await orMalformed(
    file,
    (async () => {
      for await (const entry of zip.eachEntry()) entries.set(entry.fileName, entry);
    })(),
  );
  return entries;
}

function rootFolder(file: ByteFile, entries: Map<string, Entry>): string {
  const roots = [...entries.keys()].filter(name => /^[^/]+\/data\.pkl$/.test(name));
  if (roots.length !== 1) throw file.malformed('it is a zip archive, but not one of torch.save');
  return roots[0]!.slice(0, -'/data.pkl'.length);
}

async function locateEntry(
  file: ByteFile,
  zip: ZipFile,
  entry: Entry,
): Promise<{ offset: number; bytes: number }> {
  if (entry.compressionMethod !== STORED || entry.isEncrypted()) {
    throw new ArxivNativeError(
      'BAD_MODEL',
      `${file.path}: ${printable(entry.fileName)} is compressed in the archive`,
      {
        remedy:
          'Save the checkpoint with torch.save again, or unpack the archive and zip it without compression (zip -0).',
      },
    );
  }
  const header = await orMalformed(file, zip.readLocalFileHeaderPromise(entry, { minimal: true }));
  const offset = header.fileDataStart;
  if (offset + entry.uncompressedSize > file.size) throw file.truncated(`${entry.fileName} would end beyond`);
  return { offset, bytes: entry.uncompressedSize };
}

async function orMalformed<T>(file: ByteFile, reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    throw file.malformed(`as a zip archive: ${error instanceof Error ? error.message : String(error)}`);
  }
}
