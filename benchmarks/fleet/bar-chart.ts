export interface Bar {
  readonly name: string;
  readonly value: number;
}

const ROW = 26;
const LABELS = 330;
const WIDTH = 360;

/** Horizontal bars as a picture of its own, readable on light and dark ground. */
export function barChart(title: string, bars: readonly Bar[]): string {
  const most = Math.max(...bars.map(({ value }) => value));
  const height = 40 + bars.length * ROW;
  const rows = bars.map(({ name, value }, index) => {
    const y = 34 + index * ROW;
    const width = ((value / most) * WIDTH).toFixed(1);
    return (
      `<text x="${LABELS - 8}" y="${y + 14}" text-anchor="end">${escapeText(name)}</text>` +
      `<rect x="${LABELS}" y="${y}" width="${width}" height="${ROW - 8}" rx="2" fill="#3b82c4"/>` +
      `<text x="${LABELS + Number(width) + 6}" y="${y + 14}">${value.toFixed(2)}</text>`
    );
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${LABELS + WIDTH + 70} ${height}" font-family="system-ui, sans-serif" font-size="13" fill="#777">`,
    `<text x="8" y="20" font-size="15">${escapeText(title)}</text>`,
    ...rows,
    '</svg>',
    '',
  ].join('\n');
}

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
