import { createRequire } from 'node:module';
import { Command, CommanderError } from 'commander';
import { ArxivNativeError, exitCode } from '../errors.js';
import { register as registerAugment } from './augment.js';
import { register as registerCompare } from './compare.js';
import { register as registerDescribe } from './describe.js';
import { register as registerDistill } from './distill.js';
import { register as registerDoctor } from './doctor.js';
import { register as registerEnsemble } from './ensemble.js';
import { register as registerEvaluate } from './evaluate.js';
import { register as registerFetch } from './fetch.js';
import { register as registerImport } from './import.js';
import { register as registerImportCheckpoint } from './import-checkpoint.js';
import { register as registerPredict } from './predict.js';
import { register as registerPrepare } from './prepare.js';
import { register as registerPretrain } from './pretrain.js';
import { register as registerRecipes } from './recipes.js';
import { register as registerReport } from './report.js';
import { fromCommander, reportError } from './report-error.js';
import { register as registerSetup } from './setup.js';
import { register as registerTrain } from './train.js';
import { register as registerTune } from './tune.js';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

const EXAMPLES = `
Examples:
  $ arxiv-native setup                                        get LibTorch and build the engine
  $ arxiv-native predict --title "…" --abstract "…"           classify a paper by the model that comes with the package
  $ arxiv-native fetch --categories cs.AI,cs.CL --output papers.jsonl
  $ arxiv-native prepare papers.jsonl --out data              an honest data set, split
  $ arxiv-native describe data                                what is in it
  $ arxiv-native augment data --category cs.AI --samples 450  copies of a weak class, by translation
  $ arxiv-native train --data data --out my-model             train a classifier
  $ arxiv-native pretrain --corpus papers.jsonl --hours 6     an encoder of your own, to train from
  $ arxiv-native evaluate my-model                            how good it is, and how sure that is
  $ arxiv-native compare my-model other-model                 which is better, on the same papers
  $ arxiv-native report my-model                              the same and more as a page, my-model.html
  $ arxiv-native predict --model my-model --title "…" --abstract "…"
  $ arxiv-native predict --model my-model --input papers.jsonl --output categories.jsonl
  $ arxiv-native doctor                                       say what was found where

Exit codes: 0 done, 2 an option or the data is wrong, 130 interrupted, 1 any other failure (a model, a device, the
disk, the network).
ARXIV_NATIVE_DEBUG=1 prints the stack of an error.`;

/** Runs the command line and resolves to the exit code. Every error of every command ends here. */
export async function main(argv: string[]): Promise<number> {
  const json = argv.includes('--json');
  process.stdout.on('error', error => onOutputError(error, json));
  // Progress is no result: when nobody takes it any more, the work goes on.
  process.stderr.on('error', () => {});
  const program = buildProgram();
  try {
    await program.parseAsync(argv);
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (!(error instanceof CommanderError)) return fail(error, json);
    if (error.exitCode === 0) return 0;
    // A call without a command has had the help for its answer.
    if (error.code === 'commander.help') return 2;
    const command = program.commands.find(each => each.name() === argv[2]);
    return fail(fromCommander(error, command ? `arxiv-native ${argv[2]}` : 'arxiv-native'), json);
  }
}

/** The program with all its commands; it throws CommanderErrors instead of exiting. */
function buildProgram(): Command {
  const program = new Command('arxiv-native')
    .description('Train and serve a classifier of arXiv papers: a C++ engine on LibTorch, no Python.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .addHelpText('after', EXAMPLES)
    .exitOverride()
    .configureOutput({ outputError: () => {} });
  const registers = [
    registerFetch,
    registerImport,
    registerPrepare,
    registerDescribe,
    registerAugment,
    registerRecipes,
    registerPretrain,
    registerTrain,
    registerDistill,
    registerImportCheckpoint,
    registerEvaluate,
    registerCompare,
    registerEnsemble,
    registerTune,
    registerReport,
    registerPredict,
    registerDoctor,
    registerSetup,
  ];
  for (const register of registers) register(program);
  return program;
}

function fail(error: unknown, json: boolean): number {
  // Known before a word is written: nobody may be there to read it.
  process.exitCode = exitCode(error);
  reportError(error, { json });
  return process.exitCode;
}

/**
 * A reader that went away (`| head`) ends the process quietly, with the exit code that stands by then: 130 after an
 * interruption. A full disk behind a redirection is an error.
 */
function onOutputError(error: NodeJS.ErrnoException, json: boolean): void {
  if (error.code === 'EPIPE') process.exit();
  process.exit(fail(new ArxivNativeError('IO', `writing the output failed: ${error.message}`), json));
}
