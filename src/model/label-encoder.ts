import { ArxivNativeError } from '../errors.js';
import { ByteFile } from './byte-file.js';
import { NUMPY_ARRAYS, NumpyArray } from './numpy-pickle.js';
import { LARGEST_PICKLE, type PickleGlobal, unpickle } from './pickle.js';

class LabelEncoder {
  classes: unknown;
}

const LABEL_ENCODER: PickleGlobal = {
  call: () => new LabelEncoder(),
  build: (encoder, state) => {
    if (encoder instanceof LabelEncoder && state instanceof Map) encoder.classes = state.get('classes_');
  },
};

const GLOBALS: Readonly<Record<string, PickleGlobal>> = {
  ...NUMPY_ARRAYS,
  'sklearn.preprocessing._label.LabelEncoder': LABEL_ENCODER,
  // Before scikit-learn 0.22.
  'sklearn.preprocessing.label.LabelEncoder': LABEL_ENCODER,
  // How protocol 2 writes bytes.
  '_codecs.encode': { call: text => Buffer.from(typeof text === 'string' ? text : '', 'latin1') },
};

/**
 * The classes of a pickled LabelEncoder of scikit-learn, by class index. Nothing of the pickle is executed.
 *
 * @throws ArxivNativeError BAD_MODEL if the file is absent, malformed, hostile or something else
 */
export function readLabelEncoder(path: string): Promise<string[]> {
  return ByteFile.with(path, async file => {
    const bytes = await file.read(0, Math.min(file.size, LARGEST_PICKLE));
    try {
      const { value } = unpickle(bytes, { file: path, globals: GLOBALS, purpose: 'a LabelEncoder' });
      if (!(value instanceof LabelEncoder)) throw file.malformed('it is a pickle, but of no LabelEncoder');
      const { classes } = value;
      if (!(classes instanceof NumpyArray)) throw file.malformed('its LabelEncoder was never fitted');
      const texts = classes.texts();
      if (texts === undefined) throw file.malformed('the classes of its LabelEncoder are no texts');
      return texts;
    } catch (error) {
      if (!(error instanceof ArxivNativeError)) throw error;
      throw new ArxivNativeError(error.code, error.message, {
        remedy: 'Name the classes by --classes instead, in the order of their numbers.',
        cause: error,
      });
    }
  });
}
