/** A tensor that lies in a file: little-endian, `shape`d, row-major unless `strides` (in elements) says otherwise. */
export interface TensorSource {
  name: string;
  dtype: 'F64' | 'F32' | 'F16' | 'BF16';
  shape: number[];
  file: string;
  /** Byte offset of the first element in `file`. */
  offset: number;
  strides?: number[];
}

/** The sizes of an encoder of the BERT family, in the engine's terms. */
export interface EncoderShape {
  vocabSize: number;
  hiddenSize: number;
  layers: number;
  attentionHeads: number;
  intermediateSize: number;
  maxPositions: number;
  /** 0 for families without token types. */
  typeVocabSize: number;
  layerNormEps: number;
  activation: 'gelu' | 'gelu_tanh' | 'relu';
  /** After the embeddings and after the feed-forward part of each layer. */
  hiddenDropout: number;
  /** After the attention of each layer: 0 for DistilBERT, `hiddenDropout` for the others. */
  attentionOutputDropout: number;
  /** Of the attention's weights. */
  attentionDropout: number;
  /** Standard deviation of the normal distribution that new weights are drawn from. */
  initializerRange: number;
  /** The position id of a sequence's first token: 0 for BERT, padding_idx + 1 for RoBERTa and MPNet. */
  positionOffset: number;
  padTokenId: number;
  /** Rows of MPNet's table of relative positions, which all layers add to their attention's scores; 0 for none. */
  relativeAttentionBuckets: number;
}

export interface HeadShape {
  /**
   * `cross-attention` and `concat` read two sequences a paper (title, abstract), `cls` and `mean` one: of its first
   * token, or of the mean over its tokens.
   */
  type: 'cross-attention' | 'concat' | 'cls' | 'mean';
  classes: number;
  /** Widths of the hidden layers of the classifier MLP, e.g. [512, 256, 128]. */
  hidden: number[];
  activation: 'gelu' | 'relu';
  /** Dropout after each hidden layer; as long as `hidden`. */
  dropout: number[];
  /** Dropout on the encoder's last hidden state. */
  embeddingDropout: number;
  /** Of the cross-attention only. */
  attentionHeads: number;
  attentionDropout: number;
}

/** How a model is trained. Absent for a model that only predicts. */
export interface TrainingShape {
  frozenLayers: number;
  /** MPNet's table of relative positions too: every layer reads it. */
  freezeEmbeddings: boolean;
  /** What the first optimiser group holds: the whole encoder, or only its layers (embeddings then train with the head). */
  grouping: 'encoder' | 'layers';
  learningRate: number;
  headLearningRate: number;
  weightDecay: number;
  headWeightDecay: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  /** Largest global gradient norm. */
  clipNorm: number;
  loss: 'cross-entropy' | 'focal';
  focalGamma: number;
  labelSmoothing: number;
  /** One weight a class; empty for none. */
  classWeights: number[];
  /**
   * For a student: each paper's loss is (1 - teacherWeight) of the loss above and teacherWeight of temperature² times
   * the divergence from its teacher; a paper without a label has the latter alone.
   */
  distillation?: { temperature: number; teacherWeight: number };
}

/**
 * What an encoder is pre-trained by, in place of a head: its masked words and, beside them, the classes of its texts and
 * what another encoder makes of them.
 */
export interface PretrainingShape {
  /** 0 for none. */
  classes: number;
  /** How much the classes' loss counts beside the words'. */
  classWeight: number;
  /** Hidden size of the encoder whose mean states are to be matched; 0 for none. */
  teacherSize: number;
  /** How much 1 - cosine counts, between the teacher's mean state and a linear projection of the model's own. */
  teacherWeight: number;
}

export type TrainingPrecision = 'fp32' | 'bf16' | 'fp16';
/**
 * With `int8`, on a CPU, the encoder's layers multiply 8-bit integers, and all else is bf16 or fp32. What is said of a
 * paper then depends a little on those it shares a batch with.
 */
export type Precision = TrainingPrecision | 'int8';

export interface ModelOptions {
  encoder: EncoderShape;
  /** Absent for a model that is pre-trained, and for an encoder alone. */
  head?: HeadShape;
  /** In place of `head`. The model's word head is BERT's, as `head.transform.…` and `head.bias`. */
  pretraining?: PretrainingShape;
  training?: TrainingShape;
  /** `cpu`, `cuda`, `cuda:1`, `mps`. */
  device: string;
  precision: Precision;
  threads: number;
  /** Seeds the initial weights and, with the step's number, all dropout. */
  seed: number;
  /** Slower CUDA kernels with a fixed order of summation. */
  deterministic: boolean;
  /** Weights by the engine's names; what `mayInitialize` names by prefix (`head.`, or '' for all) is drawn at random if absent. */
  weights: TensorSource[];
  mayInitialize: string[];
}

/**
 * A ragged batch. Sequence i is ids[offsets[i] .. offsets[i+1]). With the two-sequence heads paper p is
 * sequence 2p (title) and 2p + 1 (abstract); with the others it is sequence p.
 */
export interface PackedBatch {
  ids: Int32Array;
  offsets: Int32Array;
}

export interface TrainBatch extends PackedBatch {
  /** One class index a paper; for a student -1 where it has none. */
  labels: Int32Array;
  /** For a student: its teacher's probabilities, softened by the temperature; papers × classes. */
  teacher?: Float32Array;
  /** Papers that pass through at once; the gradients of a larger batch are accumulated. */
  microBatch: number;
  /** Multiplies the learning rates of both groups (warm-up, decay). */
  learningRateScale: number;
}

/** A batch of texts some of whose tokens were replaced, for a model that is pre-trained. */
export interface MaskedBatch extends PackedBatch {
  /** Where in `ids` the tokens that are to be guessed stood, ascending; at least one. */
  positions: Int32Array;
  /** What stood there. */
  targets: Int32Array;
  /** The class of each sequence, -1 where it has none; empty where the model has no classes. */
  labels: Int32Array;
  /** The teacher's mean state of each sequence, sequences × teacherSize; absent where the model has no teacher. */
  teacher?: Float32Array;
  /** Sequences that pass through at once; the gradients of a larger batch are accumulated. */
  microBatch: number;
  learningRateScale: number;
}

export interface StepResult {
  /** Mean loss of the batch, smoothing and weights included. */
  loss: number;
  /** Global gradient norm before clipping. */
  gradientNorm: number;
  /** Papers whose most probable class was the label or, without one, their teacher's; dropout on. */
  correct: number;
  /** False when fp16 overflowed: the loss scale was lowered and the weights left alone. */
  applied: boolean;
}

/** `loss` is `wordLoss` + classWeight · `classLoss` + teacherWeight · `teacherLoss`; `correct` counts sequences. */
export interface PretrainResult extends StepResult {
  /** Mean cross-entropy of the masked tokens. */
  wordLoss: number;
  /** Masked tokens guessed right. */
  wordsCorrect: number;
  /** Mean cross-entropy of the sequences that have a class; 0 if none has. */
  classLoss: number;
  /** Mean of 1 - cosine over the sequences; 0 without a teacher. */
  teacherLoss: number;
}

export interface ParameterInfo {
  name: string;
  shape: number[];
  group: 'encoder' | 'head';
  trainable: boolean;
}

export interface SaveOptions {
  optimizer: boolean;
  metadata: Record<string, string>;
  dtype?: 'F32' | 'F16' | 'BF16';
  names?: Record<string, string>;
}

/** A model in the engine. Every method but `parameters` and `dispose` queues a job on the engine thread. */
export interface EngineModel {
  parameters(): ParameterInfo[];
  /**
   * Logits, papers × classes, row-major; of an encoder alone the mean of each sequence's last states, sequences × hidden
   * size. `cancel[0] = 1` abandons the job.
   */
  predict(batch: PackedBatch, cancel?: Uint8Array): Promise<Float32Array>;
  trainStep(batch: TrainBatch, cancel?: Uint8Array): Promise<StepResult>;
  /** As trainStep without the optimiser: the gradients stay to be read. Dropout on, as in training. */
  backward(batch: TrainBatch): Promise<StepResult>;
  /**
   * What trainStep (`step`) and backward (`gradients`) are to a classifier, for a model that is pre-trained; `evaluate`
   * gives losses and counts alone, without dropout.
   */
  pretrain(
    purpose: 'step' | 'gradients' | 'evaluate',
    batch: MaskedBatch,
    cancel?: Uint8Array,
  ): Promise<PretrainResult>;
  /** One parameter, its gradient or an optimiser moment, in float32. */
  read(kind: 'weight' | 'gradient' | 'exp_avg' | 'exp_avg_sq', name: string): Promise<Float32Array>;
  /**
   * Writes a safetensors file: the weights by their names, in float32 unless `dtype` says otherwise, and, with
   * `optimizer`, the AdamW moments as `exp_avg.NAME`, `exp_avg_sq.NAME` and the number of steps in the file's metadata
   * under `optimizer_steps`. With `names` only what it names is written, by the names that it gives.
   */
  save(file: string, options: SaveOptions): Promise<void>;
  /**
   * Replaces the weights, all of them or none, and with `optimizerSteps` the optimiser's state, from what `save` wrote.
   * Training then goes on bit for bit in fp32 and bf16; fp16 starts its loss scale afresh.
   */
  load(sources: TensorSource[], optimizerSteps?: number): Promise<void>;
  /** Frees the tensors once the running job ends. Later calls reject. */
  dispose(): void;
}

export interface DeviceInfo {
  /** `cpu`, `cuda:0`, `mps`. */
  name: string;
  description: string;
  /** What the hardware computes natively, never emulated. */
  precisions: Precision[];
  /** Bytes; 0 where unknown. */
  memory: number;
}

export interface NativeAddon {
  /** The LibTorch that was loaded, e.g. `2.13.0`. */
  libtorchVersion: string;
  /** The LibTorch the addon was compiled against. */
  builtWith: string;
  devices(): DeviceInfo[];
  createModel(options: ModelOptions): Promise<EngineModel>;
  /** Cancels every job, joins the engine thread and rejects what waits. For process exit; nothing works afterwards. */
  shutdown(): void;
}
