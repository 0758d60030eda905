// Draws a trace as SVG. Left to right is the order in which spans begin and end, not time, so that the same trace always
// gives the same picture; nor are there ids or ports in it.
import type { ReadableSpan } from '@opentelemetry/sdk-trace-node';
import { isAttempt, whereTo } from './trace-chain';

const WIDTH = 960;
const LEFT = 16;
const BAR = 40;
const ROW = 52;
const TOP = 44;
const STEP = 34;

const COLOURS = { server: '#3b6ea5', call: '#6a8f3c', attempt: '#c77d26' } as const;

/** `chain`: each span is the parent of the next, as `chainOf()` gives them. */
export function drawTrace(chain: readonly ReadableSpan[], title: string): string {
  const height = TOP + chain.length * ROW + 8;
  const rows = chain.map((span, depth) => row(span, depth));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif">`,
    `  <title>${escaped(title)}</title>`,
    `  <rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    `  <text x="${LEFT}" y="26" font-size="15" fill="#222222">${escaped(title)}</text>`,
    ...rows,
    '</svg>',
    '',
  ].join('\n');
}

function row(span: ReadableSpan, depth: number): string {
  const x = LEFT + depth * STEP;
  const y = TOP + depth * ROW;
  const width = WIDTH - LEFT - x - depth * 6;
  const kind = isAttempt(span) ? 'attempt' : span.attributes['server'] === undefined ? 'call' : 'server';
  return [
    `  <rect x="${x}" y="${y}" width="${width}" height="${BAR}" rx="4" fill="${COLOURS[kind]}"/>`,
    `  <text x="${x + 10}" y="${y + 17}" font-size="13" font-weight="bold" fill="#ffffff">${escaped(headline(span, kind))}</text>`,
    `  <text x="${x + 10}" y="${y + 33}" font-size="12" fill="#ffffff">${escaped(details(span, kind))}</text>`,
  ].join('\n');
}

function headline({ name, attributes }: ReadableSpan, kind: keyof typeof COLOURS): string {
  if (kind === 'server') return `${String(attributes['server'])}: ${name}`;
  return kind === 'call' ? `call ${name}` : `attempt ${name.slice('Attempt.'.length)}`;
}

function details(span: ReadableSpan, kind: keyof typeof COLOURS): string {
  if (kind === 'server') return 'server span';
  const status = String(span.attributes['rpc.status_code']);
  const { instance, subset, datacenter, route, revision } = whereTo(span);
  if (kind === 'call') return `route ${route}, subset ${subset}, ${status}`;
  return `${instance}, subset ${subset}, datacenter ${datacenter}, route ${route}, revision ${revision}, ${status}`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
