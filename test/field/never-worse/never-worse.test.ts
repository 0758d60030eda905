import { sliceOf as drawn } from '../../support/slice';
import { describeNeverWorse } from './never-worse';
import { allScenes, sliceOf } from './scenes';

/** Five of the workloads, each with a fault of its own. The whole matrix is `never-worse.long.test.ts`. */
describeNeverWorse(drawn(sliceOf(allScenes(), Number(process.env['SEED'] ?? 1)), 5));
