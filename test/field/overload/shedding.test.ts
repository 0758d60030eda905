import { shedding } from './shedding';

shedding([{ percent: 90, retried: ['RESOURCE_EXHAUSTED', 'UNAVAILABLE'] }]);
