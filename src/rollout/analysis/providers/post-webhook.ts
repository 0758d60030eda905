import type { WebhookDocument } from '../../document';
import { postForJson } from './http-request';
import { MeasureError } from './measure-error';

/** Posts `input` as JSON and hands over the JSON of a 2xx answer. Rejects with a {@link MeasureError}. */
export async function postWebhook(
  document: WebhookDocument,
  token: string | undefined,
  input: unknown,
  signal?: AbortSignal,
): Promise<unknown> {
  // What follows the path may be a secret of its own.
  const { origin, pathname } = new URL(document.url);
  const name = `webhook ${origin}${pathname}`;
  const { status, body } = await postForJson({
    name,
    url: document.url,
    contentType: 'application/json',
    body: JSON.stringify(input),
    token,
    timeoutMs: document.timeoutMs ?? 10_000,
    signal,
  });
  if (status < 200 || status > 299) throw new MeasureError(`${name}: ${status} (expected: 2xx)`);
  return body;
}
