// npm's install script: builds the addon if LibTorch is on this machine already, and otherwise ends well. npm hides
// what is printed here, so the remedy is printed again at the first use.
import { compile } from './compile.mjs';

try {
  if (!compile()) throw new Error('TypeScript could not be compiled');
  const { setup } = await import('../dist/setup/setup.js');
  await setup({ mayFetch: false, log: console.log });
} catch (error) {
  console.log(`arxiv-native: the engine is not built yet: ${error.message}`);
  if (error.remedy) console.log(`remedy: ${error.remedy}`);
}
