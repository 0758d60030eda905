import { showValue } from '../base/shorten';

export type Environment = Readonly<Record<string, string | undefined>>;

/** An empty variable counts as one that is not set. */
export function textIn(env: Environment, name: string): string | undefined {
  const text = env[name];
  return text === '' ? undefined : text;
}

/**
 * Consul's own spellings of true and false. Anything else is a problem rather than false: `CONSUL_HTTP_SSL=yes` must
 * not lead to plaintext.
 */
export function flagIn(env: Environment, name: string, problems: string[]): boolean | undefined {
  const text = textIn(env, name);
  if (text === undefined) return undefined;
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  problems.push(`${name}: ${showValue(text)} (expected: true or false)`);
  return undefined;
}
