import type { HeadShape } from '../native.js';
import { readsPairs } from './fit.js';

/**
 * The head's tensors by the engine's names, with their shapes. In `fusion` a layer is Linear, LayerNorm, activation
 * and dropout; only the first two have weights, so layer i holds the numbers 4i and 4i + 1.
 *
 * @param width the encoder's hidden size
 */
export function headTensors(head: HeadShape, width: number): Map<string, number[]> {
  const shapes = new Map<string, number[]>();
  const linear = (name: string, outputs: number, inputs: number) =>
    shapes.set(`head.${name}.weight`, [outputs, inputs]).set(`head.${name}.bias`, [outputs]);
  const layerNorm = (name: string, size: number) =>
    shapes.set(`head.${name}.weight`, [size]).set(`head.${name}.bias`, [size]);

  if (head.type === 'cross-attention') {
    for (const direction of ['title_to_abstract', 'abstract_to_title']) {
      const name = `cross_attn_${direction}`;
      shapes.set(`head.${name}.in_proj_weight`, [3 * width, width]);
      shapes.set(`head.${name}.in_proj_bias`, [3 * width]);
      linear(`${name}.out_proj`, width, width);
    }
    layerNorm('norm_title', width);
    layerNorm('norm_abstract', width);
  }
  if (readsPairs(head.type)) {
    linear('title_pool_attn', 1, width);
    linear('abstract_pool_attn', 1, width);
  }
  let inputs = readsPairs(head.type) ? 2 * width : width;
  head.hidden.forEach((outputs, layer) => {
    linear(`fusion.${4 * layer}`, outputs, inputs);
    layerNorm(`fusion.${4 * layer + 1}`, outputs);
    inputs = outputs;
  });
  linear(`fusion.${4 * head.hidden.length}`, head.classes, inputs);
  return shapes;
}
