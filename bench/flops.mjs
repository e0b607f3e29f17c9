// Useful floating-point operations of a pass, whatever a program really computes: an implementation that pads, computes
// twice or converts gets no credit for it. A product of an m × k and a k × n matrix counts 2mkn: 2 for each weight and
// token. Element-wise work (activations, norms, dropout, softmax, the optimiser) counts nothing, embeddings are look-ups.

/**
 * @param model {encoder, head}: shapes as the engine takes them
 * @param lengths tokens of each sequence without padding, in the engine's order: title and abstract of the first paper, …
 * @returns FLOP of the forward pass: `weights` in products with weight matrices, `attention` in those between tokens
 */
export function forwardFlops({ encoder, head }, lengths) {
  return total(products(encoder, head, lengths), () => 1);
}

/**
 * Forward and backward. The gradient of each factor of a product costs as much as the product: of its input where
 * something before it trains, of its weights where they train.
 *
 * @param frozen {layers, embeddings}: how many layers from the input, and whether the embeddings too
 */
export function stepFlops({ encoder, head }, frozen, lengths) {
  const first = frozen.embeddings ? frozen.layers : 0; // the first layer through which gradients flow
  return total(products(encoder, head, lengths), ({ layer, attention, input }) => {
    const flows = layer > first || (layer === first && !(frozen.embeddings && input));
    if (attention) return layer < first ? 1 : 3; // both factors are activations
    return 1 + Number(flows) + Number(layer >= frozen.layers);
  });
}

function total(parts, times) {
  const sum = { weights: 0, attention: 0, all: 0 };
  for (const part of parts) {
    const flops = times(part) * part.flops;
    sum[part.attention ? 'attention' : 'weights'] += flops;
    sum.all += flops;
  }
  return sum;
}

/** The forward pass's products. The head counts as one more layer; `input` marks those that read the layer's input. */
function products(encoder, head, lengths) {
  const { hiddenSize: h, intermediateSize: wide, layers } = encoder;
  const tokens = sum(lengths);
  const pairs = 2 * 2 * h * sum(lengths.map(length => length * length)); // scores, and the weighted sum of values
  const parts = [];
  for (let layer = 0; layer < layers; layer++) {
    parts.push({ layer, flops: 2 * tokens * 3 * h * h, input: true });
    parts.push({ layer, flops: pairs, attention: true });
    parts.push({ layer, flops: 2 * tokens * (h * h + 2 * h * wide) });
  }
  return [...parts, ...headProducts(head, h, lengths).map(part => ({ ...part, layer: layers }))];
}

function headProducts({ type, hidden, classes }, h, lengths) {
  const papers = type === 'cls' ? lengths.length : lengths.length / 2;
  const tokens = sum(lengths);
  const parts = [];
  if (type === 'cross-attention') {
    // Each side gives queries to one attention (and takes its output), keys and values to the other.
    parts.push({ flops: 2 * tokens * 3 * h * h, input: true }, { flops: 2 * tokens * h * h });
    const crossed = lengths.reduce((all, length, i) => all + (i % 2 ? length * lengths[i - 1] : 0), 0);
    parts.push({ flops: 2 * 2 * 2 * h * crossed, attention: true });
  }
  if (type !== 'cls') {
    parts.push({ flops: 2 * tokens * h, input: type === 'concat' });
    parts.push({ flops: 2 * tokens * h, attention: true });
  }
  const widths = [type === 'cls' ? h : 2 * h, ...hidden, classes];
  for (let i = 1; i < widths.length; i++) {
    parts.push({ flops: 2 * papers * widths[i - 1] * widths[i], input: type === 'cls' && i === 1 });
  }
  return parts;
}

function sum(numbers) {
  return numbers.reduce((all, number) => all + number, 0);
}
