/** One bar, of one part or of several that are laid end to end. */
export interface Bar {
  readonly name: string;
  readonly parts: readonly number[];
  /** Ours stand out. */
  readonly isOurs?: boolean;
}

/** Bars of one unit, on one scale. */
export interface BarGroup {
  /** Over the bars; left out where the chart's title says it all. */
  readonly title?: string;
  readonly bars: readonly Bar[];
  /** Of the numbers beside the bars. */
  readonly decimals: number;
  /** The value that fills the width; default: the longest bar's. */
  readonly most?: number;
}

const ROW = 26;
const LABELS = 330;
const WIDTH = 360;
const OURS = '#3b82c4';
const THEIRS = '#98a2ad';
/** Of a bar's second part and what follows. */
const FURTHER = ['#d08b3c', '#7aa34d'];

/** Horizontal bars as a picture of its own, readable on light and dark ground. `legend` names the parts of the bars. */
export function barChart(title: string, groups: readonly BarGroup[], legend: readonly string[] = []): string {
  const lines = [`<text x="8" y="20" font-size="15">${escapeText(title)}</text>`];
  let y = 34;
  if (legend.length > 0) {
    lines.push(legendLine(legend, y));
    y += ROW;
  }
  for (const group of groups) {
    if (group.title !== undefined) {
      lines.push(`<text x="8" y="${y + 16}" font-weight="600">${escapeText(group.title)}</text>`);
      y += ROW;
    }
    const most = group.most ?? Math.max(...group.bars.map(lengthOf));
    for (const bar of group.bars) {
      lines.push(barLine(bar, y, most > 0 ? WIDTH / most : 0, group.decimals));
      y += ROW;
    }
  }
  const size = `0 0 ${LABELS + WIDTH + 70} ${y + 6}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${size}" font-family="system-ui, sans-serif" font-size="13" fill="#777">`,
    ...lines,
    '</svg>',
    '',
  ].join('\n');
}

function barLine({ name, parts, isOurs = true }: Bar, y: number, scale: number, decimals: number): string {
  let x = LABELS;
  const rects = parts.map((part, index) => {
    const width = Math.max(0, part) * scale;
    const rect = `<rect x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${ROW - 8}" rx="2" fill="${colour(index, isOurs)}"/>`;
    x += width;
    return rect;
  });
  const sum = parts.reduce((total, part) => total + part, 0);
  const number = sum.toLocaleString('en', { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  return (
    `<text x="${LABELS - 8}" y="${y + 14}" text-anchor="end">${escapeText(name)}</text>` +
    `${rects.join('')}<text x="${(x + 6).toFixed(1)}" y="${y + 14}">${number}</text>`
  );
}

function legendLine(legend: readonly string[], y: number): string {
  return legend
    .map((name, index) => {
      const x = LABELS + index * 120;
      return (
        `<rect x="${x}" y="${y + 3}" width="12" height="12" rx="2" fill="${colour(index, false)}"/>` +
        `<text x="${x + 18}" y="${y + 14}">${escapeText(name)}</text>`
      );
    })
    .join('');
}

function colour(part: number, isOurs: boolean): string {
  return FURTHER[part - 1] ?? (isOurs ? OURS : THEIRS);
}

function lengthOf({ parts }: Bar): number {
  return parts.reduce((sum, part) => sum + Math.max(0, part), 0);
}

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
