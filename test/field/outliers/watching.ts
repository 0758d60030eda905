import { expect } from 'vitest';
import type { Fleet } from '../load/fleet';

const EVERY_MS = 8;
export const METHOD = '/field.Load/Get';
export const WELL = { getMs: 3 };

export function outliers(fleet: Fleet): string[] {
  const endpoints = fleet.graylane.inspect().services[0]?.endpoints ?? [];
  return endpoints.filter(({ outlier }) => outlier !== undefined).map(({ instance }) => instance);
}

export async function callsFor(fleet: Fleet, forMs: number): Promise<number> {
  return [...(await fleet.load(forMs, EVERY_MS)).values()].reduce((sum, count) => sum + count, 0);
}

/** Makes calls until it is so, at most `most` and some; how many. */
export async function callsUntil(fleet: Fleet, most: number, isSo: () => boolean): Promise<number> {
  let calls = 0;
  while (calls < most && !isSo()) calls += await callsFor(fleet, 400);
  expect(isSo()).toBe(true);
  return calls;
}

/** Which share of its fair share the first of the servers gets. */
export async function shareOfFirst(fleet: Fleet, forMs: number): Promise<number> {
  const [first] = fleet.servers;
  const before = first?.gets ?? 0;
  const calls = await callsFor(fleet, forMs);
  return (((first?.gets ?? 0) - before) * fleet.servers.length) / calls;
}
