import type { WebhookConfig } from '../../config/controller-config';
import { postForJson } from './http-request';
import { MeasureError } from './measure-error';

/** Posts `input` as JSON and hands over the JSON of a 2xx answer. Rejects with a {@link MeasureError}. */
export async function postWebhook(
  { url, headers, timeoutMs = 10_000 }: WebhookConfig,
  token: string | undefined,
  input: unknown,
  signal?: AbortSignal,
): Promise<unknown> {
  const { status, body } = await postForJson({
    url,
    headers,
    contentType: 'application/json',
    body: JSON.stringify(input),
    token,
    timeoutMs,
    signal,
  });
  if (status < 200 || status > 299) throw new MeasureError(`${status} (expected: 2xx)`);
  return body;
}
