import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { importTexts } from '../policy/istio/import-texts';
import { fencesOf, root } from './fences';

const documents = fencesOf('docs/migrating.md').filter(({ text }) => text.startsWith('schema: 1'));
const example = (path: string): string => readFileSync(join(root, 'examples', path), 'utf8');

describe('docs/migrating.md', () => {
  it('shows what import-istio makes of the example', () => {
    const { document, losses } = importTexts([example('migrating-istio/istio.yaml')]);
    expect(parse(documents.at(-1)?.text ?? '')).toEqual(document);
    const left = ['VirtualService/payments.spec.http[1].retries.retryRemoteLocalities'];
    expect(losses.map(({ path }) => path)).toEqual(left);
  });

  it('shows the policy and the upstream that the nginx example runs', () => {
    expect(parse(documents[0]?.text ?? '')).toEqual(parse(example('migrating-nginx/payments.yaml')));
    const upstream = fencesOf('docs/migrating.md').find(({ language }) => language === 'nginx')?.text ?? '';
    const lines = upstream.split('\n').map((line) => line.trim());
    const conf = example('migrating-nginx/nginx.conf');
    expect(lines.filter((line) => !conf.includes(line))).toEqual([]);
  });
});
