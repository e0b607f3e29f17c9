import type { TranslatorKind } from '../translator.js';

export declare const bergamot: TranslatorKind;
