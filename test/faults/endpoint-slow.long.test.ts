import { slowInstance } from './endpoint-slow';

slowInstance([3, 10].map((size) => ({ size, perSecond: 1_000, measuredMs: 4_000 })));
