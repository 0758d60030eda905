/** A measured distribution, in the unit of its samples. */
export interface Figure {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly most: number;
}

/** The sample that `part` of all are not above; 0.5: the median. */
export function quantile(samples: readonly number[], part: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN;
}

function figureOf(samples: readonly number[]): Figure {
  const at = (part: number): number => quantile(samples, part);
  return { count: samples.length, p50: at(0.5), p99: at(0.99), most: at(1) };
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
