// Rate and peak memory of `import` on a file like Kaggle's snapshot of arXiv: generated papers of its lengths, plain,
// gzip and zip. `npm run compile` first. The files are written to a temporary folder and removed.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { crc32, createDeflateRaw, createGzip } from 'node:zlib';
import { seededRandom } from '../dist/util/random.js';

const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '1000000' },
    folder: { type: 'string', default: tmpdir() },
    keep: { type: 'boolean', default: false },
  },
});
const WANTED = 'cs.AI,cs.CL,cs.CV,cs.LG';
const NAME = 'arxiv-metadata-oai-snapshot.json';

const random = seededRandom('papers like Kaggle has them');
const pick = list => list[Math.floor(random() * list.length)];
/** Mean and spread as of a normal distribution, near enough. */
const about = (mean, spread) =>
  Math.max(1, Math.round(mean + spread * 2 * (random() + random() + random() - 1.5)));

const folder = await mkdtemp(join(values.folder, 'import-memory-'));
try {
  const plain = join(folder, NAME);
  await pipeline(Readable.from(batches(Number(values.records))), createWriteStream(plain));
  await pipeline(createReadStream(plain), createGzip({ level: 1 }), createWriteStream(`${plain}.gz`));
  await writeZip(plain, `${plain}.zip`);
  const { size } = await stat(plain);
  console.log(`${cpus()[0].model}, Node ${process.versions.node}`);
  console.log(`${values.records} records, ${(size / 1e6).toFixed(0)} MB unpacked`);
  const filtered = ['', '.gz', '.zip'].map(ending => [`${plain}${ending}`, '--categories', WANTED]);
  const runs = [...filtered, [plain]];
  for (const run of runs) await measure(run, size);
} finally {
  if (values.keep) console.log(folder);
  else await rm(folder, { recursive: true });
}

async function measure([file, ...flags], size) {
  const output = join(folder, 'papers.jsonl');
  const report =
    "process.on('exit', () => process.stderr.write('used ' + JSON.stringify(process.resourceUsage())))";
  const launcher = fileURLToPath(new URL('../bin/arxiv-native.js', import.meta.url));
  const args = [`--import=data:text/javascript,${report}`, launcher, 'import', file];
  const child = spawn(process.execPath, [...args, ...flags, '--output', output, '--force', '--json']);
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) {
    child[name].setEncoding('utf8').on('data', text => {
      said[name] += text;
    });
  }
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(said.stderr);
  const { read, kept, seconds } = JSON.parse(said.stdout);
  const { maxRSS, userCPUTime, systemCPUTime } = JSON.parse(/used (.+)$/.exec(said.stderr)[1]);
  const cpu = (userCPUTime + systemCPUTime) / 1e6;
  console.log(
    [
      `${file.slice(folder.length + 1)} ${flags.join(' ')}`.padEnd(75),
      `${seconds.toFixed(1)} s (${cpu.toFixed(1)} s of CPU)`,
      `${(size / seconds / 1e6).toFixed(0)} MB/s`,
      `${Math.round(read / seconds)} records/s`,
      `${kept} kept`,
      `peak ${(maxRSS / 1024).toFixed(0)} MiB`,
    ].join('  '),
  );
}

/** Lines of JSON, some hundred at a time. Texts come from a pool that is larger than what a compressor looks back. */
function* batches(records) {
  const words = Array.from({ length: 8000 }, () => word());
  const zipf = () => words[Math.floor(words.length ** random()) - 1];
  const prose = count => Array.from({ length: count }, zipf).join(' ');
  const abstracts = Array.from({ length: 4000 }, () => `  ${wrap(prose(about(150, 55)))}\n`);
  const titles = Array.from({ length: 4000 }, () => wrap(prose(about(10, 4))));
  const names = Array.from({ length: 3000 }, () => [word(), `${word()[0]}.`, '']);
  const categories = archive();
  for (let i = 0; i < records; ) {
    let batch = '';
    for (const end = Math.min(i + 500, records); i < end; i++) {
      const authors = Array.from({ length: about(4, 2) }, () => pick(names));
      const created = new Date(Date.UTC(2007, 3, 1) + i * 600_000).toUTCString();
      batch += `${JSON.stringify({
        id: `${String(701 + (i >> 14)).padStart(4, '0')}.${String(i % 16384).padStart(5, '0')}`,
        submitter: `${pick(names)[0]} ${pick(names)[0]}`,
        authors: authors.map(([last, first]) => `${first} ${last}`).join(', '),
        title: pick(titles),
        comments: random() < 0.7 ? `${about(15, 8)} pages, ${about(5, 3)} figures` : null,
        'journal-ref': random() < 0.3 ? `Phys.Rev.D${about(76, 20)}:${about(13009, 4000)},2007` : null,
        doi: random() < 0.4 ? `10.1103/PhysRevD.${about(76, 20)}.${about(13009, 4000)}` : null,
        'report-no': null,
        categories: pick(categories),
        license: 'http://arxiv.org/licenses/nonexclusive-distrib/1.0/',
        abstract: pick(abstracts),
        versions: Array.from({ length: about(1.6, 1) }, (_, v) => ({ version: `v${v + 1}`, created })),
        update_date: '2024-11-26',
        authors_parsed: authors,
      })}\n`;
    }
    yield batch;
  }
}

/** A third are of computer science, a third of those in one of the categories that are looked for. */
function archive() {
  const other = ['hep-ph', 'math.CO math.AG', 'astro-ph.GA', 'cond-mat.str-el cond-mat.mtrl-sci', 'quant-ph'];
  const computing = ['cs.DS', 'cs.CR cs.NI', 'cs.SE', 'cs.IT math.IT', 'cs.RO cs.LG', 'cs.LG stat.ML'];
  return [...other, ...other, ...computing, 'cs.CV cs.LG', 'cs.CL cs.AI'];
}

function word() {
  const letters = 'etaoinshrdlucmfwypvbgkjqxz';
  const letter = () => letters[Math.floor(letters.length * random() ** 2)];
  return Array.from({ length: about(6, 2.5) }, letter).join('');
}

/** Lines of 75 characters, as arXiv's abstracts have them. */
function wrap(text) {
  return text.replace(/(.{60,75}) /g, '$1\n');
}

/** One deflated file in an archive of the oldest form; its sizes stay below 4 GiB. */
async function writeZip(source, target) {
  let sum = 0;
  let size = 0;
  let packed = 0;
  const count = async function* (chunks) {
    for await (const chunk of chunks) {
      sum = crc32(chunk, sum);
      size += chunk.length;
      yield chunk;
    }
  };
  const frame = async function* (chunks) {
    yield header('504b0304', [20, 8, 8, 0, 0], [0, 0, 0], [NAME.length, 0]);
    yield Buffer.from(NAME);
    for await (const chunk of chunks) {
      packed += chunk.length;
      yield chunk;
    }
    const sizes = [sum, packed, size];
    const descriptor = header('504b0708', [], sizes, []);
    yield descriptor;
    const start = 30 + NAME.length + packed + descriptor.length;
    const entry = header('504b0102', [20, 20, 8, 8, 0, 0], sizes, [NAME.length, 0, 0, 0, 0, 0, 0, 0, 0]);
    yield entry;
    yield Buffer.from(NAME);
    yield header('504b0506', [0, 0, 1, 1], [entry.length + NAME.length, start], [0]);
  };
  await pipeline(
    createReadStream(source),
    count,
    createDeflateRaw({ level: 1 }),
    frame,
    createWriteStream(target),
  );
}

/** A signature, fields of two bytes, of four, and of two again. */
function header(signature, shorts, longs, more) {
  const two = list => Buffer.from(Uint16Array.from(list).buffer);
  return Buffer.concat([
    Buffer.from(signature, 'hex'),
    two(shorts),
    Buffer.from(Uint32Array.from(longs).buffer),
    two(more),
  ]);
}
