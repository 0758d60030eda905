import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { theme } from './shell';
import { useStore } from './store';

interface ChartSeries {
  readonly label: string;
  /** A colour of tokens.css: `part-0`, `accent`, `bad`. */
  readonly color: string;
  /** One for each time; null: not known. */
  readonly values: readonly (number | null)[];
  readonly isDashed?: boolean;
}

export interface ChartProps {
  /** What is shown, in a sentence with the newest values: for those who cannot see it. */
  readonly label: string;
  /** Epoch seconds, ascending. */
  readonly times: readonly number[];
  readonly series: readonly ChartSeries[];
  readonly format: (value: number) => string;
  /** Drawn on each other up to the top, as shares are. Each value then is a part of the sum. */
  readonly isStacked?: boolean;
  /** Default: as the values are, from 0. */
  readonly max?: number;
  /** Pixels. Default 160. */
  readonly height?: number;
}

/** Seconds between two times on the axis. */
const STEPS = [60, 120, 300, 600, 1_800, 3_600, 7_200, 21_600, 86_400];
/** What little is known is not drawn wider than as a part of so many seconds. */
const LEAST_SECONDS = 120;

/** Values over time. */
export function Chart(props: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const colours = useStore(theme);
  const { label, times, series, format, isStacked = false, max, height = 160 } = props;
  const shape = JSON.stringify([series.map((each) => [each.label, each.color, each.isDashed]), isStacked, max, height]);
  const formatter = useRef(format);
  formatter.current = format;
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const made = new uPlot(
      optionsOf(element, { ...props, format: (value) => formatter.current(value) }),
      dataOf(props),
      element,
    );
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
    };
  }, [shape, colours]);
  useEffect(() => plot.current?.setData(dataOf({ ...props, isStacked })), [times, series]);
  return (
    <figure class="chart">
      <div class="plot" ref={box} role="img" aria-label={label} />
    </figure>
  );
}

/** Stacked from the first up; drawn from the last down, so that each covers what is below it. */
function dataOf({ times, series, isStacked = false }: ChartProps): uPlot.AlignedData {
  const values = series.map((each) => [...each.values]);
  if (!isStacked) return [[...times], ...values];
  for (let index = 1; index < values.length; index += 1) {
    values[index] = (values[index] ?? []).map((value, at) =>
      value === null ? null : value + (values[index - 1]?.[at] ?? 0),
    );
  }
  return [[...times], ...values.reverse()];
}

function optionsOf(element: HTMLElement, props: ChartProps): uPlot.Options {
  const { series, format, isStacked = false, max, height = 160 } = props;
  const color = (name: string): string => colorOf(element, name);
  const axis = { stroke: color('quiet'), grid: { stroke: color('line'), width: 1 }, ticks: { show: false } };
  const font = `11px ${getComputedStyle(element).fontFamily}`;
  const lines = series.map((each): uPlot.Series => {
    const stroke = color(each.color);
    const dash = each.isDashed === true ? { dash: [4, 4] } : {};
    return { label: each.label, stroke, width: 1.5, ...dash, points: { show: false }, ...filled(isStacked, stroke) };
  });
  return {
    width: element.clientWidth || 300,
    height,
    // Half of the last time stands beyond the axis.
    padding: [8, 18, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { show: false } },
    series: [{}, ...(isStacked ? lines.reverse() : lines)],
    axes: [
      { ...axis, font, size: 24, space: 70, incrs: STEPS, values: (_, splits) => splits.map(clockTime) },
      { ...axis, font, size: 52, space: 28, values: (_, splits) => splits.map(format) },
    ],
    scales: {
      x: { time: true, range: (_, from, to) => [Math.min(from, to - LEAST_SECONDS), to] },
      y: { range: (_, __, top) => [0, max ?? Math.max(top * 1.1, Number.MIN_VALUE)] },
    },
  };
}

function filled(isStacked: boolean, fill: string): Partial<uPlot.Series> {
  return isStacked ? { fill, width: 0 } : {};
}

/** A canvas knows no custom properties, and no `light-dark()`. */
function colorOf(element: HTMLElement, name: string): string {
  const probe = document.createElement('span');
  probe.style.color = `var(--${name})`;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

function clockTime(seconds: number): string {
  return new Date(seconds * 1000).toTimeString().slice(0, 5);
}
