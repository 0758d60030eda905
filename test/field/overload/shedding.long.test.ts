import { shedding } from './shedding';

const RETRIED = ['RESOURCE_EXHAUSTED', 'UNAVAILABLE'];
shedding([75, 90, 100].flatMap((percent) => [[], RETRIED].map((retried) => ({ percent, retried }))));
