/*
 * Writes the pages of the site into site/.cache/pages: those of the repository with their links led to where they stand
 * on the site, and the references, which are made of the schemas, the command's definitions and the declarations.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { COMMANDS } from '../../src/cli/program';
import { controllerSchema } from '../../src/ops/rollout/config/parse-controller-config';
import { rolloutSchema } from '../../src/ops/rollout/rollout-schema';
import { policySchema } from '../../src/policy/policy-schema';
import { type ApiEntry, apiPages } from './api-reference';
import { commandReference } from './command-reference';
import { entriesOf, parseContents } from './contents';
import { declarationsOf } from './declarations';
import { examplePage } from './example-page';
import { homePage } from './home';
import { placeLinks, placesOf, routeOf } from './places';
import { type Schema, schemaReference } from './schema-reference';

const root = join(__dirname, '..', '..');
const target = join(root, 'site', '.cache', 'pages');
const places = placesOf(root);
const problems: string[] = [];
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const contents = parseContents(read('docs/README.md'));
/** Its page has it in a frame. */
const hasPlayground = places.has('docs/playground.md');

rmSync(target, { recursive: true, force: true });
writeRepositoryPages();
writeReferences();
writeDecisions();
writeExamples();
for (const [language, folder, page] of [
  ['en', 'docs', 'index.md'],
  ['zh', 'docs/zh', 'zh/index.md'],
] as const) {
  const parts = parseContents(read(`${folder}/README.md`));
  write(page, homePage({ language, parts, hasPlayground, placeOf: (link) => routeOf(link, folder, places) }));
}
copyPictures();
if (hasPlayground) writePlayground();
for (const problem of problems) console.error(problem);
console.log(`${readdirSync(target, { recursive: true }).length} files in site/.cache/pages`);
if (problems.length > 0) process.exitCode = 1;

function write(page: string, text: string): void {
  const file = join(target, page);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

function writeRepositoryPages(): void {
  const answers = new Map(entriesOf(contents).map(({ link, answers: text }) => [`docs/${link}`, text]));
  for (const [file, page] of places) {
    const example = /^examples\/([\w-]+)\/README\.md$/.exec(file)?.[1];
    const text = example === undefined ? read(file) : examplePage(join(root, 'examples', example));
    const placed = placeLinks(text, file, places, (missing) => problems.push(`${missing}: no page of the site`));
    const description = answers.get(file) ?? '';
    const matter = description === '' ? '' : `---\ndescription: ${JSON.stringify(description)}\n---\n\n`;
    write(page, `${matter}${/(^|\/)playground\.md$/.test(page) ? withPlayground(placed) : placed}`);
  }
}

function writeReferences(): void {
  const types = read('dist/types.d.ts');
  const declarations = declarationsOf(types);
  const entries = ['index', 'server', 'testing', 'simulate', 'register'].map((name): ApiEntry => {
    const specifier = name === 'index' ? 'graylane' : `graylane/${name}`;
    return { name, specifier, text: read(`dist/${name}.d.ts`) };
  });
  for (const [page, text] of apiPages(entries, types)) write(`reference/${page}`, text);
  write('reference/command.md', commandReference(COMMANDS));
  const policy = {
    title: 'Policy reference',
    intro: 'Every field of a policy document, made from its JSON Schema. What they do: [policies](../policies.md).',
    rootType: 'PolicyDocument',
  };
  const rollout = {
    title: 'Rollout reference',
    intro: 'Every field of a rollout document, made from its JSON Schema. What they do: [rollouts](../rollouts.md).',
    rootType: 'RolloutDocument',
  };
  const controller = {
    title: 'Controller reference',
    intro:
      "Every field of the controller's file, made from its JSON Schema. What they do: " +
      "[the controller's file](../rollouts.md#the-controllers-file).",
    rootType: 'ControllerDocument',
  };
  write('reference/policy.md', schemaReference(policySchema as Schema, { ...policy, declarations }));
  write('reference/rollout.md', schemaReference(rolloutSchema as Schema, { ...rollout, declarations }));
  write('reference/controller.md', schemaReference(controllerSchema as Schema, { ...controller, declarations }));
}

/** The list of the records, each by its first line. */
function writeDecisions(): void {
  const rows = [...places.values()]
    .filter((page) => page.startsWith('decisions/'))
    .map((page) => {
      const title = read(`docs/${page}`).split('\n', 1)[0]?.replace(/^# /, '') ?? page;
      return `- [${title}](./${page.replace('decisions/', '')})`;
    });
  const intro =
    'A short record of each choice that is not obvious: what happened, what was decided, what was rejected.';
  write('decisions/index.md', `# Decisions\n\n${intro}\n\n${rows.join('\n')}\n`);
}

function writeExamples(): void {
  const rows = [...places].flatMap(([file, page]) => {
    if (!page.startsWith('examples/')) return [];
    const title = read(file).split('\n', 1)[0]?.replace(/^# /, '') ?? page;
    return `- [${title}](./${page.replace('examples/', '')})`;
  });
  const intro =
    'Each runs by itself: `npm run examples -- NAME` in the repository. A page shows what it does, and its files.';
  write('examples/index.md', `# Examples\n\n${intro}\n\n${rows.join('\n')}\n`);
}

/** What `graylane playground` serves, as files beside the pages. */
function writePlayground(): void {
  const folder = join(target, 'public', 'playground');
  mkdirSync(folder, { recursive: true });
  execFileSync(process.execPath, [join(root, 'dist', 'cli.js'), 'playground', '--write', folder], { stdio: 'inherit' });
}

/** Below the first paragraph, where a reader looks for it. */
function withPlayground(text: string): string {
  const [heading = '', first = '', ...rest] = text.replace(/^<!--.*-->\n+/, '').split(/\n\n/);
  return [heading, first, '<ClientOnly><Playground /></ClientOnly>', ...rest].join('\n\n');
}

function copyPictures(): void {
  for (const name of readdirSync(join(root, 'docs'))) {
    if (!/\.(svg|png|webp)$/.test(name)) continue;
    cpSync(join(root, 'docs', name), join(target, name));
    // For links to a picture, which the builder leaves as they are.
    cpSync(join(root, 'docs', name), join(target, 'public', name));
  }
  if (existsSync(join(root, 'docs', 'pictures'))) {
    cpSync(join(root, 'docs', 'pictures'), join(target, 'pictures'), { recursive: true });
  }
}
