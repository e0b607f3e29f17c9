import { spawn } from 'node:child_process';
import { setMaxListeners } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ArxivNativeError } from '../errors.js';
import { throwIfCancelled } from '../util/cancel.js';
import type {
  FetchHooks,
  Survey,
  Translation,
  Translator,
  TranslatorKind,
  TranslatorOptions,
} from './translator.js';

/** On one core, program starts included: somewhat less than was measured. */
const WORDS_PER_SECOND = 2000;
/** Texts that one run of the program gets: it takes longer to start than to translate one. */
const BATCH = 64;

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

/** The rule-based translator of that name, as the system's package installs it: a run of its program for each batch. */
export const apertium: TranslatorKind = {
  async survey(options: TranslatorOptions, { signal }: FetchHooks): Promise<Survey> {
    const { mode, version } = await findMode(options, signal);
    return { model: `Apertium ${version}, ${mode}`, download: 0, wordsPerSecond: WORDS_PER_SECOND };
  },

  async open(options: TranslatorOptions, { signal }: FetchHooks): Promise<Translator> {
    const { mode, version } = await findMode(options, signal);
    return {
      identity: `apertium ${version}, ${mode}`,
      async translate(texts, deliver, signal) {
        // Each running program listens, and Node would warn of more than ten.
        if (signal) setMaxListeners(0, signal);
        let next = 0;
        const serve = async (file: string) => {
          while (next < texts.length) {
            const first = next;
            next += BATCH;
            const batch = texts.slice(first, first + BATCH);
            const translations = await translateTexts(mode, batch, file, signal);
            for (const [i, translation] of translations.entries()) deliver(first + i, translation);
          }
        };
        // The program opens its input by name, which fails for the pipes that Node makes.
        const folder = await mkdtemp(join(tmpdir(), 'arxiv-native-apertium-'));
        try {
          await Promise.all(
            Array.from({ length: options.threads }, (_, i) => serve(join(folder, String(i)))),
          );
        } finally {
          await rm(folder, { recursive: true, force: true });
        }
      },
      async close() {},
    };
  },
};

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
    throw new ArxivNativeError('BAD_OPTION', `apertium has no data for the direction ${names[0]}`, {
      remedy: `Install it: apt-get install apertium-${[names[0]!.split('-')].flat().sort().join('-')}; or choose another language with --pivot.`,
    });
  }
  const version = /\d+(\.\d+)+/.exec(await run(['-V'], signal))?.[0] ?? 'of unknown version';
  return { mode, version };
}

/** With blank lines between them. Where the program gives back another number, each text has a run of its own. */
async function translateTexts(
  mode: string,
  texts: readonly string[],
  file: string,
  signal: AbortSignal | undefined,
): Promise<Translation[]> {
  await writeFile(file, texts.map(text => `${text}\n\n`).join(''));
  const found = (await run(['-u', mode, file], signal)).trimEnd().split('\n\n');
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
