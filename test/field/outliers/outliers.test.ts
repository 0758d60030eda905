import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { isLong, sliceOf } from '../../support/slice';
import { fleets } from '../load/fleet';
import { callsFor, callsUntil, outliers, shareOfFirst, WELL } from './watching';

/** H7: judged against its peers. */
describe('an instance that fails a part of its calls', () => {
  const open = fleets();

  it.each(sliceOf(['UNIMPLEMENTED', 'UNAUTHENTICATED', 'NOT_FOUND'] as const, 1))(
    'is left alone by other codes than breakers count, too: one of three answers %s',
    async (code) => {
      const fleet = await open({ behaviours: [{ code: status[code] }, WELL, WELL] });
      await callsUntil(fleet, 1_500, () => outliers(fleet).length > 0);
      expect(outliers(fleet)).toEqual(['s0']);
      expect(await shareOfFirst(fleet, 1_500)).toBeLessThanOrEqual(0.2);
    },
    60_000,
  );

  it.each([
    ['all of them fail every fifth call', [5, 5, 5], status.INTERNAL],
    ['one sheds every third call', [3, undefined, undefined], status.RESOURCE_EXHAUSTED],
  ])(
    'is no outlier where %s',
    async (_, every, code) => {
      const behaviours = every.map((failsEvery) => (failsEvery === undefined ? WELL : { ...WELL, code, failsEvery }));
      const fleet = await open({ behaviours });
      for (let calls = 0; calls < (isLong ? 1_000 : 500); calls += await callsFor(fleet, 400))
        expect(outliers(fleet)).toEqual([]);
    },
    60_000,
  );
});
