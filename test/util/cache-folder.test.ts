import { expect, it } from 'vitest';
import { cacheFolder } from '../../src/util/cache-folder.js';

it('keeps its cache where the platform keeps caches', () => {
  expect(cacheFolder({ HOME: '/h' }, 'linux')).toBe('/h/.cache/arxiv-native');
  expect(cacheFolder({ HOME: '/h', XDG_CACHE_HOME: '/c' }, 'linux')).toBe('/c/arxiv-native');
  expect(cacheFolder({ HOME: '/h' }, 'darwin')).toBe('/h/Library/Caches/arxiv-native');
  expect(cacheFolder({ HOME: '/h', ARXIV_NATIVE_CACHE: '/a' }, 'darwin')).toBe('/a');
});
