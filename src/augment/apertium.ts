import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { access, constants, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { ArxivNativeError } from '../errors.js';
import { throwIfCancelled } from '../util/cancel.js';
import { fileError, hashFile } from '../util/files.js';
import type {
  Deliver,
  FetchHooks,
  Survey,
  Translation,
  Translator,
  TranslatorKind,
  TranslatorOptions,
} from './translator.js';

/** Raise it with every change that gives other words: what was translated before is then translated again. */
const METHOD = 2;

/** On one core, program starts included: somewhat less than was measured. */
const WORDS_PER_SECOND = 2000;
/** Texts that one run of the program gets: it takes longer to start than to translate one. */
const BATCH = 64;

/** Before words that it does not know, unless it is told by -u to leave the sign out. */
const UNKNOWN_MARK = '*';

/** Begins the name of a folder for the program's input; the number of the process that made it follows. */
const FOLDER = 'arxiv-native-apertium-';

/** Apertium calls languages by three letters. */
const CODES: Record<string, string> = {
  ca: 'cat',
  en: 'eng',
  eo: 'epo',
  es: 'spa',
  fr: 'fra',
  gl: 'glg',
  it: 'ita',
  pt: 'por',
};

/** Debian's packages of these directions, there and back. */
const PACKAGES: Record<string, string> = {
  ca: 'apertium-eng-cat',
  eo: 'apertium-eo-en',
  es: 'apertium-eng-spa',
  gl: 'apertium-en-gl',
};

/** The rule-based translator of that name, as the system's package installs it: a run of its program for each batch. */
export const apertium: TranslatorKind = {
  async survey(options: TranslatorOptions, { signal }: FetchHooks): Promise<Survey> {
    const { mode, version } = await findMode(options, signal);
    return { model: `Apertium ${version}, ${mode}`, download: 0, wordsPerSecond: WORDS_PER_SECOND };
  },

  async open(options: TranslatorOptions, { signal }: FetchHooks): Promise<Translator> {
    const { mode, version } = await findMode(options, signal);
    const content = await contentOf(mode, signal);
    await removeAbandoned();
    return {
      identity: `apertium ${version}, ${mode} ${content.slice(0, 16)}, method ${METHOD}`,
      unknownMark: UNKNOWN_MARK,
      translate: (texts, deliver, signal) => translate(mode, texts, options.threads, deliver, signal),
      async close() {},
    };
  },
};

/** So many runs at a time. The first failure ends all of them, and nothing is delivered any more once this settles. */
async function translate(
  mode: string,
  texts: readonly string[],
  threads: number,
  deliver: Deliver,
  signal: AbortSignal | undefined,
): Promise<void> {
  const failure = new AbortController();
  const ending = signal ? AbortSignal.any([signal, failure.signal]) : failure.signal;
  // Each running program listens, and Node would warn of more than ten.
  setMaxListeners(0, ending);
  let next = 0;
  const serve = async (file: string) => {
    while (next < texts.length && !ending.aborted) {
      const first = next;
      next += BATCH;
      const batch = texts.slice(first, first + BATCH);
      const translations = await translateTexts(mode, batch, file, ending);
      for (const [i, translation] of translations.entries()) deliver(first + i, translation);
    }
  };
  // The program opens its input by name, which fails for the pipes that Node makes.
  const folder = await mkdtemp(join(tmpdir(), `${FOLDER}${process.pid}-`)).catch(error => {
    throw fileError(error, `making a folder in ${tmpdir()}`);
  });
  try {
    const files = Array.from({ length: threads }, (_, i) => join(folder, String(i)));
    await Promise.all(files.map(file => serve(file).catch(error => failure.abort(error))));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  throwIfCancelled(signal, 'translating');
  if (failure.signal.aborted) throw failure.signal.reason;
}

/** Removes the folders of processes that were killed. */
async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(tmpdir()).catch(() => [])) {
    const pid = name.startsWith(FOLDER) ? Number.parseInt(name.slice(FOLDER.length), 10) : 0;
    if (pid > 0 && !isRunning(pid)) await rm(join(tmpdir(), name), { recursive: true }).catch(() => {});
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** @throws BAD_OPTION for a direction or a setting that it does not have, TRANSLATOR if it is not installed */
async function findMode(
  { from, to, modelDir, beams, temperature }: TranslatorOptions,
  signal: AbortSignal | undefined,
): Promise<{ mode: string; version: string }> {
  if (modelDir !== undefined || beams !== undefined || temperature !== undefined) {
    throw new ArxivNativeError('BAD_OPTION', 'apertium has rules: it knows no models, beams or temperature', {
      remedy: 'Leave --model-dir, --beams and --temperature out.',
    });
  }
  const modes = (await run(['-l'], signal)).split('\n').map(line => line.trim());
  const names = [`${CODES[from] ?? from}-${CODES[to] ?? to}`, `${from}-${to}`];
  const mode = names.find(name => modes.includes(name));
  if (mode === undefined) {
    const known = PACKAGES[from === 'en' ? to : from];
    throw new ArxivNativeError('BAD_OPTION', `apertium has no data for the direction ${names[0]}`, {
      remedy: `${known === undefined ? 'Look for it: apt-cache search apertium' : `Install it: apt-get install ${known}`}; or choose another language with --pivot.`,
    });
  }
  const version = /\d+(\.\d+)+/.exec(await run(['-V'], signal))?.[0] ?? 'of unknown version';
  return { mode, version };
}

/**
 * SHA-256 of the mode's pipeline and of the data that it names, as they are installed: packages of them are renewed
 * without the program's version.
 *
 * @throws TRANSLATOR where they are not found
 */
async function contentOf(mode: string, signal: AbortSignal | undefined): Promise<string> {
  const data = process.env.APERTIUM_DATADIR || (await installedData());
  const file = join(data, 'modes', `${mode}.mode`);
  const pipeline = await readFile(file, 'utf8').catch(cause => {
    throw new ArxivNativeError('TRANSLATOR', `${file} is not there: apertium has its data elsewhere`, {
      remedy:
        'Name the folder that holds its modes by the variable APERTIUM_DATADIR, which apertium reads too.',
      cause,
    });
  });
  const hash = createHash('sha256').update(pipeline);
  const paths = pipeline.matchAll(/'(?<one>\/[^']+)'|"(?<two>\/[^"]+)"|(?<![\w.'"-])(?<bare>\/[^\s'"|]+)/g);
  for (const { groups } of paths) {
    const { one, two, bare } = groups!;
    hash.update(await hashFile(one ?? two ?? bare!, signal));
  }
  return hash.digest('hex');
}

/** Beside the folder of the program. */
async function installedData(): Promise<string> {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const isThere = await access(join(folder, 'apertium'), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return join(folder, '../share/apertium');
  }
  return '/usr/share/apertium';
}

/** With blank lines between them. Where the program gives back another number, each text has a run of its own. */
async function translateTexts(
  mode: string,
  texts: readonly string[],
  file: string,
  signal: AbortSignal | undefined,
): Promise<Translation[]> {
  await writeFile(file, texts.map(text => `${text}\n\n`).join('')).catch(error => {
    throw fileError(error, `writing ${file}`);
  });
  const found = (await run([mode, file], signal)).trimEnd().split('\n\n');
  if (found.length === texts.length) return found.map(text => ({ text: text.trim() }));
  if (texts.length === 1) return [{ failure: 'a text that came back in several parts' }];
  const each: Translation[] = [];
  for (const text of texts) each.push(...(await translateTexts(mode, [text], file, signal)));
  return each;
}

/** Ends of the programs that are running. */
const running = new Set<() => void>();
process.on('exit', () => {
  for (const stop of running) stop();
});

async function run(args: string[], signal: AbortSignal | undefined): Promise<string> {
  throwIfCancelled(signal, 'translating');
  // In a group of its own: the program is a script with a pipeline of others, and all of them are to end together.
  const child = spawn('apertium', args, {
    env: { ...process.env, LC_ALL: 'C.UTF-8' },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const stop = () => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended already.
    }
  };
  signal?.addEventListener('abort', stop);
  running.add(stop);
  const output: Buffer[] = [];
  let words = '';
  child.stdout.on('data', chunk => output.push(chunk));
  child.stderr.setEncoding('utf8').on('data', text => {
    words = (words + text).slice(-1000);
  });
  try {
    const ending = await new Promise<string | undefined>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, name) => resolve(code === 0 ? undefined : (name ?? `exit code ${code}`)));
    });
    throwIfCancelled(signal, 'translating');
    if (ending === undefined) return Buffer.concat(output).toString('utf8');
    throw new ArxivNativeError(
      'TRANSLATOR',
      `apertium ${args.join(' ')} failed (${ending}): ${words.trim()}`,
    );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new ArxivNativeError('TRANSLATOR', 'apertium is not installed', {
      remedy: 'Install it: apt-get install apertium apertium-eng-spa',
      cause: error,
    });
  } finally {
    signal?.removeEventListener('abort', stop);
    running.delete(stop);
  }
}
