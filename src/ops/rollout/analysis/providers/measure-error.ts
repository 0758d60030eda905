/** No figures, and why, in words that hold no secret: `prometheus http://127.0.0.1:9090: 503 (expected: 200)`. */
export class MeasureError extends Error {
  override readonly name: string = 'MeasureError';
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
