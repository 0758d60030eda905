import { readFile } from 'node:fs/promises';
import { MeasureError } from '../analysis/providers/measure-error';
import type { RequestConfig } from './controller-config';

/**
 * The bearer token that the configuration names; undefined when it names none. Asked before each request, so a rotated file
 * serves from then on. Rejects with a {@link MeasureError} that names the place and never the token.
 */
export async function readToken(
  { tokenEnv, tokenFile }: RequestConfig,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<string | undefined> {
  if (tokenEnv !== undefined) return wanted(environment[tokenEnv], 'tokenEnv: the variable is not set');
  if (tokenFile === undefined) return undefined;
  let text: string;
  try {
    text = await readFile(tokenFile, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'not readable';
    throw new MeasureError(`tokenFile: ${code} (expected: a file with a token)`);
  }
  return wanted(text, 'tokenFile: the file is empty');
}

function wanted(text: string | undefined, fault: string): string {
  const token = text?.trim() ?? '';
  if (token === '') throw new MeasureError(`${fault} (expected: a token)`);
  return token;
}
