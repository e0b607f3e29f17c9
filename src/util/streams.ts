import { pipeline, Readable, type Transform } from 'node:stream';

/** What comes out of `transform` when `chunks` go in. An error of either side, and an early return, reach the other. */
export async function* through(chunks: AsyncIterable<Buffer>, transform: Transform): AsyncGenerator<Buffer> {
  // The loop below is what reports errors.
  pipeline(Readable.from(chunks), transform, () => {});
  for await (const chunk of transform) yield chunk as Buffer;
}
