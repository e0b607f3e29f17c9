import { availableMemory } from 'node:process';
