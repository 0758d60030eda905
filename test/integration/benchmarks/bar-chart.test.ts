import { describe, expect, it } from 'vitest';
import { barChart } from '../../../benchmarks/bar-chart';

/** What a reader sees of it, without the drawing. */
function textsOf(svg: string): readonly string[] {
  return [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text ?? '');
}

function widthsOf(svg: string): readonly number[] {
  return [...svg.matchAll(/<rect[^>]*height="18"[^>]*>/g)].map(([rect]) => Number(/width="([0-9.]+)"/.exec(rect)?.[1]));
}

describe('bar chart', () => {
  it('names every bar, with its number', () => {
    const svg = barChart('Load', [{ bars: [{ name: 'a & <b>', parts: [1.154] }], decimals: 2 }]);
    expect(textsOf(svg)).toEqual(['Load', 'a &amp; &lt;b&gt;', '1.15']);
  });

  it('draws each group on a scale of its own', () => {
    const svg = barChart('Cost', [
      {
        title: 'small',
        decimals: 0,
        bars: [
          { name: 'a', parts: [1] },
          { name: 'b', parts: [2] },
        ],
      },
      { title: 'large', decimals: 0, bars: [{ name: 'c', parts: [2_000] }] },
    ]);
    expect(textsOf(svg)).toEqual(['Cost', 'small', 'a', '1', 'b', '2', 'large', 'c', '2,000']);
    expect(widthsOf(svg)).toEqual([180, 360, 360]);
  });

  it('takes another scale where it is given', () => {
    const svg = barChart('Cost', [{ bars: [{ name: 'a', parts: [1] }], decimals: 0, most: 4 }]);
    expect(widthsOf(svg)).toEqual([90]);
  });

  it('lays parts end to end and says what they are', () => {
    const bars = [{ name: 'proxied', parts: [30, 10] }];
    const svg = barChart('Cost', [{ bars, decimals: 0 }], ['client', 'proxy']);
    expect(textsOf(svg)).toEqual(['Cost', 'client', 'proxy', 'proxied', '40']);
    expect(widthsOf(svg)).toEqual([270, 90]);
  });

  it('gives what is below nothing a number and no length', () => {
    const svg = barChart('Added', [
      {
        decimals: 0,
        bars: [
          { name: 'a', parts: [-3] },
          { name: 'b', parts: [6] },
        ],
      },
    ]);
    expect(textsOf(svg)).toContain('-3');
    expect(widthsOf(svg)).toEqual([0, 360]);
  });

  it('is no taller than what it shows', () => {
    const svg = barChart('One', [{ bars: [{ name: 'a', parts: [1] }], decimals: 0 }]);
    expect(svg).toContain('viewBox="0 0 760 66"');
  });
});
