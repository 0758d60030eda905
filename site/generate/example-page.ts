import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Files of an example that are shown, by their ending, and the language of their block. */
const SHOWN: Readonly<Record<string, string>> = {
  ts: 'ts',
  mjs: 'js',
  cjs: 'js',
  js: 'js',
  yaml: 'yaml',
  yml: 'yaml',
  json: 'json',
  conf: 'nginx',
  hcl: 'hcl',
  proto: 'protobuf',
};
/** Files that say nothing of what an example shows; a dashboard is for Grafana to read. */
const LEFT_OUT = ['package-lock.json', 'tsconfig.json', 'nest-cli.json', 'dashboard.json'];
const LARGEST = 20_000;

/** The page of an example: its README, then its files. */
export function examplePage(folder: string): string {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => !/(^|\/)(node_modules|dist)\//.test(name) && !LEFT_OUT.includes(name.split('/').at(-1) ?? ''))
    .sort();
  const blocks = files.flatMap((name) => {
    const language = SHOWN[name.split('.').at(-1) ?? ''];
    if (language === undefined) return [];
    const text = readFileSync(join(folder, name), 'utf8').trimEnd();
    return text.length > LARGEST ? [] : [`## \`${name}\`\n\n\`\`\`\`${language}\n${text}\n\`\`\`\`\n`];
  });
  const readme = readFileSync(join(folder, 'README.md'), 'utf8').trimEnd();
  return `${readme}\n\n${blocks.join('\n')}`;
}
