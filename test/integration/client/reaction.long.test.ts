import { reaction } from './reaction';

reaction({ policyChanges: 100, flips: 50, part: 0.99 });
