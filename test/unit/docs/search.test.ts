import { describe, expect, it } from 'vitest';
import { boostDocument, processTerm, searchOptions, tokenize } from '../../../site/search';

describe('words of a text', () => {
  it.each([
    ['retry: {} of payments', ['retry', 'of', 'payments']],
    ['灰度发布', ['灰度', '度发', '发布']],
    ['5% 的canary流量', ['5', '的', 'canary', '流量']],
    ['maxAttempts', ['maxAttempts', 'max', 'Attempts']],
    ['x-gray_key', ['x', 'gray_key', 'gray', 'key']],
    ['ＡＢＣ', ['ABC']],
    ['', []],
  ])('%s', (text, expected) => expect(tokenize(text)).toEqual(expected));
});

describe('a word', () => {
  it.each([
    ['Retries', 'retry'],
    ['canaries', 'canary'],
    ['weights', 'weight'],
    ['status', 'status'],
    ['pass', 'pass'],
    ['How', false],
    ['怎么', false],
    ['泳道', '泳道'],
  ])('%s is looked for as %s', (word, expected) => expect(processTerm(word)).toBe(expected));
});

it('guides come before records', () => {
  expect(boostDocument('/canary.html#a')).toBeGreaterThan(boostDocument('/decisions/0001-a.html'));
});

it('each function stands alone: the site hands it on as text', () => {
  const { options, searchOptions: search } = searchOptions;
  for (const each of [...Object.values(options), search.boostDocument, search.prefix, search.fuzzy]) {
    const alone = new Function(`return (${each})`)() as (text: string) => unknown;
    expect(alone('maxAttempts')).toEqual((each as (text: string) => unknown)('maxAttempts'));
  }
});
