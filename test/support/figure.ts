/** A measured distribution, in the unit of its samples. */
export interface Figure {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly most: number;
}

function figureOf(samples: readonly number[]): Figure {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), most: at(1) };
}

/** One line that a reader of the test's output finds by `[figure]`. */
export function printFigure(name: string, samples: readonly number[]): Figure {
  const figure = figureOf(samples);
  const ms = (value: number): string => `${value.toFixed(1)} ms`;
  console.log(`[figure] ${name}: p50 ${ms(figure.p50)} p99 ${ms(figure.p99)} (n=${figure.count})`);
  return figure;
}

export function printFact(name: string, fact: string): void {
  console.log(`[figure] ${name}: ${fact}`);
}
