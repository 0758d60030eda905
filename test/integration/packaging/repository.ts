import { join } from 'node:path';

/** The folder that package.json is in. */
export const repository: string = join(__dirname, '..', '..', '..');
