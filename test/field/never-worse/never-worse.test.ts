import { describeNeverWorse } from './never-worse';
import { allScenes, sliceOf } from './scenes';

/** The whole matrix is `never-worse.long.test.ts`. */
describeNeverWorse(sliceOf(allScenes(), Number(process.env['SEED'] ?? 1)));
