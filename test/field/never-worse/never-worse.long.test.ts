import { describeNeverWorse } from './never-worse';
import { allScenes } from './scenes';

/** Half an hour. */
describeNeverWorse(allScenes());
