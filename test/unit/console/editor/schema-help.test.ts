import { describe, expect, it } from 'vitest';
import { helpAt, proposalsAt } from '../../../../src/console/editor/schema-help';
import { yamlPlaceAt } from '../../../../src/console/editor/yaml-place';
import { policySchema } from '../../../../src/policy/policy-schema';

/** The text around `|`, which is the place. */
function split(marked: string): { readonly text: string; readonly at: number } {
  return { text: marked.replace('|', ''), at: marked.indexOf('|') };
}

function placeOf(marked: string): string {
  const { text, at } = split(marked);
  const place = yamlPlaceAt(text, at);
  return place === undefined ? 'none' : `${place.path.join(' ')}${place.isValue ? ' =' : ''} ${place.word}`.trim();
}

function proposed(marked: string): readonly string[] {
  const { text, at } = split(marked);
  return proposalsAt(policySchema, text, at, ['stable', 'canary']).all.map(({ label }) => label);
}

describe('yamlPlaceAt()', () => {
  it.each([
    ['|', ''],
    ['sch|', 'sch'],
    ['schema: |', 'schema ='],
    ['schema: 1\n|', ''],
    ['breaker:\n  vol|', 'breaker vol'],
    ['breaker:\n  volumeThreshold: 5\n  er|', 'breaker er'],
    ['breaker:\n  volumeThreshold: 5\nro|', 'ro'],
    ['breaker: { vol|', 'breaker vol'],
    ['breaker: { volumeThreshold: 5, |', 'breaker'],
    ['breaker: { volumeThreshold: |', 'breaker volumeThreshold ='],
    ['breaker: { volumeThreshold: 5 }\n|', ''],
    ['routes:\n  - na|', 'routes [] na'],
    ['routes:\n- na|', 'routes [] na'],
    ['routes:\n  - name: a\n    to: can|', 'routes [] to = can'],
    ['routes:\n  - name: a\n    split:\n      - { to: stable, weight: 5 }\n      - { to: |', 'routes [] split [] to ='],
    ['routes:\n  - name: a\n    split:\n    - to: x\n      we|', 'routes [] split [] we'],
    ['routes:\n  - name: a\n  - |', 'routes []'],
    ['retry: { retryableStatusCodes: [UNA|', 'retry retryableStatusCodes [] = UNA'],
    ['routes:\n  - match: { labels: { x-gray: { |', 'routes [] match labels x-gray'],
    ["routes:\n  - match: { labels: { 'x-gray': { in: [a], |", 'routes [] match labels x-gray'],
    ['schema: 1 # wri|', 'none'],
    ['# comment\nro|', 'ro'],
    ['breaker:\n  # comment\n\n  vol|', 'breaker vol'],
  ])('%j is at %j', (marked, expected) => {
    expect(placeOf(marked)).toBe(expected);
  });
});

describe('proposalsAt()', () => {
  it.each([
    ['schema: 1\nserv|', 'service'],
    ['subsets:\n  canary:\n    fall|', 'fallback'],
    ['subsets:\n  canary:\n    breaker: { sile|', 'silentFailures'],
    ['routes:\n  - match:\n      labels:\n        x-gray: { pre|', 'prefix'],
    ['routes:\n  - name: a\n    split: [{ to: stable, we|', 'weight'],
    ['retry: { max|', 'maxAttempts'],
    ['routes:\n  - retry: |', 'off'],
    ['balancing: { algorithm: |', 'peak_ewma'],
    ['retry: { retryableStatusCodes: [|', 'UNAVAILABLE'],
    ['breaker: { enabled: |', 'true'],
    ['routes:\n  - name: a\n    to: |', 'canary'],
    ['default: |', 'stable'],
  ])('%j proposes %s', (marked, expected) => {
    expect(proposed(marked)).toContain(expected);
  });

  it('proposes no key that stands there already, and none in a comment', () => {
    expect(proposed('schema: 1\n|')).not.toContain('schema');
    expect(proposed('breaker: { volumeThreshold: 5, |')).not.toContain('volumeThreshold');
    expect(proposed('# |')).toEqual([]);
  });

  it('proposes nothing where the schema has nothing', () => {
    expect(proposed('no:\n  such:\n    |')).toEqual([]);
    expect(proposed('service: |')).toEqual([]);
  });
});

describe('helpAt()', () => {
  it.each([
    ['retry: { |maxAttempts: 3 }', 'retry.maxAttempts', 'counts the first try; a whole number, 2 to 5'],
    ['subsets:\n  canary:\n    ta|gs: [a]', 'subsets.canary.tags', 'an instance must have all of them; a list'],
    ['routes:\n  - |failover: [dc2]', 'routes[].failover', 'in place of locality.failover; none given twice; a list'],
  ])('%j', (marked, path, text) => {
    const { text: whole, at } = split(marked);
    expect(helpAt(policySchema, whole, at)).toEqual({ path, text });
  });

  it('says nothing of values and unknown keys', () => {
    for (const marked of ['service: pay|ments', 'no|such: 1', 'x: |']) {
      const { text, at } = split(marked);
      expect(helpAt(policySchema, text, at)).toBeUndefined();
    }
  });
});
