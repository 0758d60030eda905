import { isDeepStrictEqual } from 'node:util';
import { Metadata } from '@grpc/grpc-js';
import fc from 'fast-check';
import { expect } from 'vitest';
import { changeHeaders } from '../../../../src/client/balancer/picker';
import { compileChain } from '../../../../src/policy/chain/compile';
import type { Decision, Plan } from '../../../../src/policy/plan';
import { decide } from '../../../../src/policy/routing/decide';
import { labelsOf } from '../../../../src/policy/routing/labels';
import { environmentOf, newOutcome } from '../../../unit/policy/routing/fixture';
import { type Call, call, chain } from './arbitrary-chain';
import { type ExpectedLeg, expectedOf } from './reference';

const CALLS = 40;

/** A decision in the words of the reference. */
function legOf(decision: Decision, share: number, sent: Call['headers']): ExpectedLeg {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(sent)) metadata.set(name, value);
  changeHeaders(metadata, decision.requestHeaders ?? []);
  const headers = Object.fromEntries(
    Object.keys(metadata.getMap()).map((name) => [name, metadata.get(name).map(String)]),
  );
  const { plan, destination } = decision;
  return {
    share,
    places: (destination.tiers ?? []).map(({ subset, datacenter }) => {
      const {
        filter,
        onlyPassing = false,
        lookups = [],
      } = plan.subsets.get(subset) as NonNullable<ReturnType<Plan['subsets']['get']>>;
      const lookup = lookups.find((each) => each.datacenter === datacenter);
      return { service: lookup?.service ?? '', datacenter, filter, onlyPassing };
    }),
    timeoutMs: decision.timeoutMs,
    headers,
  };
}

/** Targets that a failover names twice are tried once. */
function distinct(leg: ExpectedLeg): ExpectedLeg {
  return { ...leg, places: [...new Map(leg.places.map((place) => [JSON.stringify(place), place])).values()] };
}

/** Vitest's own comparison only for what differs: there are a million of them. */
function same(actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) expect(actual).toEqual(expected);
}

/** Holds so many random chains, with forty calls each, against a reading of the documentation. How many pairs that were. */
export function expectChainsToAgree(chains: number): number {
  let pairs = 0;
  fc.assert(
    fc.property(chain, fc.array(call, { minLength: CALLS, maxLength: CALLS }), fc.nat(), (content, calls, seed) => {
      const plan = compileChain(content, { service: 'payments', sourceAddress: '10.0.0.1' });
      const environment = environmentOf(seed);
      for (const { path, headers } of calls) {
        pairs += 1;
        const expected = expectedOf(content, { path, headers });
        const input = { method: path, labels: labelsOf(headers), force: undefined, stickyKey: undefined };
        const decision = decide(plan, input, newOutcome(), environment);
        const legs = expected.legs.map(distinct);
        expect(legs.filter((leg) => leg.share > 0)).toContainEqual({
          ...legOf(decision, expect.anything() as unknown as number, headers),
        });
        if (expected.route !== undefined) same(decision.route, plan.routes[expected.route]?.name);
        expect(retryOf(decision)).toEqual(expected.retry);
        const route = plan.routes.find(({ name }) => name === decision.route);
        if (route === undefined) continue;
        const shares = route.split.entries.map((entry) => legOf(entry.decision, entry.buckets / 10_000, headers));
        expect(shares).toHaveLength(legs.length);
        shares.forEach((share, index) => {
          const wanted = legs[index] as ExpectedLeg;
          expect({ ...share, share: 0 }).toEqual({ ...wanted, share: 0 });
          // Cut into units of 0.01 %, at least one for whoever gets calls at all.
          same(Math.abs(share.share - wanted.share) <= 0.0004, true);
          same(share.share > 0, wanted.share > 0);
        });
      }
    }),
    { numRuns: chains },
  );
  return pairs;
}

function retryOf({ retry }: Decision): { attempts: number; codes: readonly string[] } | undefined {
  if (retry === undefined || retry === 'off') return undefined;
  return { attempts: retry.maxAttempts, codes: [...retry.retryableStatusCodes].sort() };
}
