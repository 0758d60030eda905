import type { ConsulAnswer } from './request';

/**
 * The body of an answer as JSON, or why there is none. A proxy may answer 200 with a page, and 404 without Consul's index;
 * neither says that something is absent. Pure; never throws.
 */
export function answerJson(answer: ConsulAnswer): { readonly value: unknown } | { readonly reason: string } {
  if (answer.kind === 'failure') return { reason: answer.reason };
  const text = answer.body.toString('utf8');
  try {
    return { value: JSON.parse(text) };
  } catch {
    return { reason: looksLikePage(text) ? 'the answer is a page of HTML, not of Consul' : 'the answer is not JSON' };
  }
}

/** Names, where Consul lists names. */
export function answerNames(answer: ConsulAnswer): readonly string[] | { readonly reason: string } {
  const read = answerJson(answer);
  if ('reason' in read) return read;
  const { value } = read;
  const isNames = Array.isArray(value) && value.every((name) => typeof name === 'string');
  return isNames ? value : { reason: 'the answer is not a list of names' };
}

/** Whether a body is of a proxy, a log-in or an error page. */
export function looksLikePage(text: string): boolean {
  return /^\s*<(?:!doctype|html|head|body|\?xml)/i.test(text);
}
