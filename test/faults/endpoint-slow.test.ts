import { slowInstance } from './endpoint-slow';

/** The other size at a thousand calls a second is in endpoint-slow.long.test.ts. */
slowInstance([3, 10].map((size) => ({ size, perSecond: 100, measuredMs: 6_000 })));
slowInstance([{ size: 3, perSecond: 1_000, measuredMs: 2_000 }]);
