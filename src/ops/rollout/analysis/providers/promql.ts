import type { MeasureRequest } from '../metrics-provider';

/** Inside a text of PromQL, between double quotes. */
export function textOf(value: string): string {
  return value.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n');
}

/** A pattern inside such a text that matches the value and nothing else. */
export function regexOf(value: string): string {
  return textOf(value.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
}

/** Fills in `{{service}}`, `{{canary}}`, `{{stable}}` and `{{window}}`; other braces are the query's own. */
export function fillIn(query: string, { service, canary, stable, sinceMs, nowMs }: MeasureRequest): string {
  const window = `${Math.max(1, Math.ceil((nowMs - sinceMs) / 1_000))}s`;
  const values: Readonly<Record<string, string>> = { service, canary, stable, window };
  return query.replace(/\{\{\s*(service|canary|stable|window)\s*\}\}/g, (_, name: string) =>
    textOf(values[name] ?? ''),
  );
}
