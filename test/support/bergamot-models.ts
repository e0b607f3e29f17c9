import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where Mozilla's English–Portuguese pair may lie, in en-pt/ and pt-en/; it is no part of the repository. */
export const BERGAMOT_MODELS = join(
  process.env.XDG_CACHE_HOME || join(homedir(), '.cache'),
  'arxiv-native-models/bergamot',
);

export const hasBergamotModels = ['en-pt', 'pt-en'].every(pair => existsSync(join(BERGAMOT_MODELS, pair)));
