// Programs that do the same work, in turns: each is a process of its own that lives through all rounds, does what a
// JSON line on its standard input asks for, and answers with the time it took. What else a machine does then falls on
// all of them alike.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const script = name => fileURLToPath(new URL(name, import.meta.url));

/** How the program of a spec is started. The spec itself follows as one argument. */
const PROGRAMS = {
  ours: () => [process.execPath, script('ours.mjs')],
  pytorch: ({ python }) => [python, script('peers/pytorch.py')],
  onnx: () => [process.execPath, script('peers/onnx.mjs')],
  'transformers.js': () => [process.execPath, script('peers/transformers_js.mjs')],
};

const living = new Set();

// As it was before the engine, once loaded, said in it how threads wait: each program waits as it does by itself.
const env = { ...process.env };

/** For Ctrl-C: nothing of a contest outlives it. */
export function endAll() {
  for (const child of living) child.kill('SIGKILL');
}

class Contestant {
  constructor(spec) {
    const [program, ...args] = PROGRAMS[spec.program](spec);
    this.child = spawn(program, [...args, JSON.stringify(spec)], { env, stdio: ['pipe', 'pipe', 'pipe'] });
    living.add(this.child);
    this.errors = '';
    this.child.stderr.on('data', text => {
      this.errors = `${this.errors}${text}`.slice(-4000);
    });
    this.child.stdin.on('error', () => {}); // it ended; whoever waits for its answer is told so below
    this.lines = createInterface({ input: this.child.stdout });
    this.lines.on('line', line => {
      if (line.startsWith('{')) this.waiting?.resolve(JSON.parse(line));
    });
    this.ended = new Promise(resolve => {
      const end = reason => {
        living.delete(this.child);
        this.waiting?.reject(new Error(this.lastWords() || reason));
        resolve();
      };
      this.child.on('error', error => end(error.message));
      this.child.on('close', (code, signal) => end(signal ?? `exit status ${code}`));
    });
  }

  lastWords() {
    const lines = this.errors.trim().split('\n');
    return (lines.findLast(line => /\berror\b|Error/.test(line)) ?? lines.at(-1)).replace(/^error: /, '');
  }

  next() {
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
    });
  }

  ask(message) {
    const answer = this.next();
    this.child.stdin.write(`${JSON.stringify(message)}\n`);
    return answer;
  }

  async end() {
    this.waiting = undefined;
    this.child.stdin.end();
    await this.ended;
  }
}

/**
 * Lets the entries alternate: in each round each of them takes some samples.
 *
 * @param entries {name, spec, message}: a program as PROGRAMS knows it (those of equal specs share one process) and
 *   what is asked of it; papers `first` to `first + count` are chosen here, the same for all
 * @param options rounds, samples a round, `beforeRound` (awaited), `skip(name, reason)` for what does not start or
 *   fails, `log`, and the `signal` of Ctrl-C
 * @returns the entries that ran, each with its facts, its first answer (`warm`, not a sample) and its samples
 */
export async function contest(entries, { rounds, samples, beforeRound, skip, log, signal }) {
  const processes = new Map();
  const facts = new Map();
  let running = [];
  const drop = (entry, error) => {
    signal.throwIfAborted();
    skip(entry.name, error.message);
    running = running.filter(other => other !== entry);
  };
  try {
    for (const entry of entries) {
      const key = JSON.stringify(entry.spec);
      running.push({ ...entry, key, taken: [] });
      if (!processes.has(key)) {
        log(`starting ${entry.name}`);
        processes.set(key, new Contestant(entry.spec));
        facts.set(
          key,
          await processes
            .get(key)
            .next()
            .catch(error => ({ error })),
        );
      }
      const { error } = facts.get(key);
      if (error) drop(running.at(-1), error);
    }
    log('warming up');
    for (const entry of running) {
      const warm = await turn(entry, 0, { show: true }).catch(error => drop(entry, error));
      if (warm) entry.warm = warm;
    }
    for (let round = 0; round < rounds; round++) {
      log(`round ${round + 1} of ${rounds}`);
      await beforeRound?.();
      for (const entry of running) {
        try {
          for (let i = 0; i < samples; i++) entry.taken.push(await turn(entry, 1 + round * samples + i));
        } catch (error) {
          drop(entry, error);
        }
      }
    }
  } finally {
    await Promise.all([...processes.values()].map(each => each.end()));
  }
  return running.map(({ key, taken, ...entry }) => ({ ...entry, facts: facts.get(key), samples: taken }));

  async function turn({ key, message }, n, more) {
    const first = n * message.count;
    return { first, count: message.count, ...(await processes.get(key).ask({ ...message, first, ...more })) };
  }
}
