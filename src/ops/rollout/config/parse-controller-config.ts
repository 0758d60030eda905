import { headerNameFault } from '../../../base/header-name';
import { isRecord } from '../../../base/is-record';
import { parseDocumentText } from '../../../policy/parse-text';
import { deepFreeze, ownValue } from '../../../policy/plain-data';
import type { PolicyProblem } from '../../../policy/plan';
import { type DocumentPath, note, type Positions, ProblemList } from '../../../policy/problems';
import { closed, listOf, type Schema, shortName } from '../../../policy/schema-parts';
import { copyDocument, isOfLaterFormat } from '../../../policy/validation/copy-document';
import { createRolloutStructureCheck } from '../structure-check';
import { CHATS, chatSchemasOf } from './chat-config';
import { CLIENTS, type ControllerConfig } from './controller-config';

const timeoutMs: Schema = { type: 'number', minimum: 1, maximum: 600_000, description: 'milliseconds' };
const address: Schema = { type: 'string', minLength: 1, maxLength: 4_096 };
const variable: Schema = {
  type: 'string',
  title: 'the name of an environment variable',
  pattern: '^[A-Za-z_][A-Za-z0-9_]{0,127}$',
};
const file: Schema = { type: 'string', minLength: 1, maxLength: 4_096 };
const request: Schema = {
  tokenEnv: variable,
  tokenFile: file,
  headers: {
    type: 'object',
    maxProperties: 50,
    propertyNames: {
      type: 'string',
      title: 'the name of a header: letters, digits, - _ .',
      pattern: '^[A-Za-z0-9._-]{1,128}$',
    },
    additionalProperties: {
      type: 'string',
      title: 'printable ASCII, at most 4096 characters',
      pattern: '^[ -~]{0,4096}$',
    },
  },
  timeoutMs,
};

const webhook: Schema = closed({ url: address, ...request }, { required: ['url'] });
const command: Schema = closed(
  { run: listOf({ type: 'string' }, { minItems: 1, maxItems: 100 }), timeoutMs },
  { required: ['run'] },
);
const prometheus: Schema = closed(
  {
    address,
    labels: {
      type: 'object',
      propertyNames: {
        type: 'string',
        title: 'a label of Prometheus: letters, digits and _',
        pattern: '^[A-Za-z_][A-Za-z0-9_]*$',
      },
      additionalProperties: { type: 'string' },
    },
    ...request,
  },
  { required: ['address'] },
);

const nomad: Schema = closed(
  { address, job: { ...address, maxLength: 512 }, namespace: shortName, region: shortName, ...request },
  { required: ['address'] },
);

const chatSchemas = chatSchemasOf({ address, variable, file, timeoutMs });

const exactlyOne: Schema = { minProperties: 1, maxProperties: 1 };
const named = (item: Schema): Schema => ({
  type: 'object',
  maxProperties: 100,
  propertyNames: shortName,
  additionalProperties: item,
});

/**
 * The published JSON Schema of a controller's configuration, and what its structure is checked against.
 * The build writes it to `controller.schema.json`.
 */
export const controllerSchema: Schema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  $id: 'urn:graylane:schema:controller:1',
  title: 'Graylane rollout controller',
  ...closed(
    {
      $schema: { type: 'string', description: 'for editors; not read' },
      schema: { const: 1 },
      providers: named(closed({ prometheus, webhook, command }, exactlyOne)),
      hooks: named(closed({ webhook, command, ...chatSchemas }, exactlyOne)),
      gates: named(closed({ webhook, command }, exactlyOne)),
      deployments: named(closed({ nomad }, exactlyOne)),
    },
    { required: ['schema'] },
  ),
};

export interface JudgedConfig {
  /** All that is wrong: `providers.metrics.prometheus.address: "x" (expected: ...)`. */
  readonly problems: readonly PolicyProblem[];
  /** Undefined when there are problems. */
  readonly config: ControllerConfig | undefined;
}

const NOUN = 'controller configuration';

const checkStructure = createRolloutStructureCheck(controllerSchema, {
  notify: 'here hooks',
  webhooks: 'here hooks, or gates',
  metrics: 'here providers',
  host: 'here address',
  deployment: 'here deployments',
  token: 'a secret stays out of the file: tokenEnv names a variable, tokenFile a file',
  password: 'a secret stays out of the file: tokenEnv names a variable, tokenFile a file',
  bearerToken: 'a secret stays out of the file: tokenEnv names a variable, tokenFile a file',
  timeout: 'here timeoutMs, in milliseconds',
  query: 'a query stands in the check of a rollout',
  version: 'here schema: 1',
});

/** Reads what a controller may reach from the text of a file. Never throws; problems carry line and column. */
export function parseControllerConfig(text: string | Uint8Array, format: 'json' | 'yaml'): JudgedConfig {
  const parsed = parseDocumentText(text, format, NOUN);
  if (parsed.value === undefined) return { problems: parsed.problems, config: undefined };
  const judged = judgeControllerConfig(parsed.value, parsed.positions);
  const problems = [...parsed.problems, ...judged.problems];
  return { problems, config: problems.length === 0 ? judged.config : undefined };
}

/** The same of a value. Never throws. */
export function judgeControllerConfig(value: unknown, positions?: Positions): JudgedConfig {
  const list = new ProblemList(positions, NOUN);
  const document = copyDocument(value, NOUN, list);
  if (document !== undefined && !isOfLaterFormat(document, list)) {
    checkStructure(document, list);
    for (const kind of ['providers', 'hooks', 'gates', 'deployments'] as const) {
      const entries = ownValue(document, kind);
      if (!isRecord(entries)) continue;
      for (const [name, entry] of Object.entries(entries)) checkEntry(entry, [kind, name], list);
    }
    const providers = ownValue(document, 'providers');
    if (isRecord(providers) && Object.hasOwn(providers, CLIENTS)) {
      list.report(['providers', CLIENTS], note('this name'), 'another name; clients is what the clients report');
    }
  }
  const { problems } = list;
  if (problems.length > 0 || document === undefined) return { problems, config: undefined };
  const named = deepFreeze(document as { readonly [kind in keyof ControllerConfig]?: object });
  const { providers = {}, hooks = {}, gates = {}, deployments = {} } = named;
  const config: ControllerConfig = {
    providers: new Map(Object.entries(providers)),
    hooks: new Map(Object.entries(hooks)),
    gates: new Map(Object.entries(gates)),
    deployments: new Map(Object.entries(deployments)),
  };
  return { problems, config };
}

function checkEntry(entry: unknown, path: DocumentPath, list: ProblemList): void {
  for (const [kind, key] of [
    ['prometheus', 'address'],
    ['webhook', 'url'],
    ['nomad', 'address'],
  ] as const) {
    const request = ownValue(entry, kind);
    checkAddress(ownValue(request, key), [...path, kind, key], list);
    checkRequest(request, [...path, kind], list);
  }
  checkCommand(ownValue(entry, 'command'), [...path, 'command'], list);
  for (const kind of CHATS) checkChat(ownValue(entry, kind), [...path, kind], list);
}

/** The address of a chat's hook is its secret as well, so it may stand elsewhere. */
function checkChat(chat: unknown, path: DocumentPath, list: ProblemList): void {
  if (!isRecord(chat)) return;
  checkAddress(ownValue(chat, 'url'), [...path, 'url'], list);
  const places = (['url', 'urlEnv', 'urlFile'] as const).filter((key) => ownValue(chat, key) !== undefined);
  if (places.length !== 1) {
    list.report([...path, 'url'], note(places.join(' and ') || 'missing'), 'exactly one of url, urlEnv, urlFile');
  }
  const secrets = (['secretEnv', 'secretFile'] as const).filter((key) => ownValue(chat, key) !== undefined);
  if (secrets.length > 1) list.report([...path, 'secretFile'], note('beside secretEnv'), 'one of the two');
}

function checkRequest(request: unknown, path: DocumentPath, list: ProblemList): void {
  const hasToken = (['tokenEnv', 'tokenFile'] as const).filter((key) => ownValue(request, key) !== undefined);
  if (hasToken.length > 1) list.report([...path, 'tokenFile'], note('beside tokenEnv'), 'one of the two');
  const headers = ownValue(request, 'headers');
  if (!isRecord(headers)) return;
  for (const name of Object.keys(headers)) {
    const fault = headerFault(name.toLowerCase());
    if (fault !== undefined) list.report([...path, 'headers', name], note('this name'), fault);
  }
}

function headerFault(name: string): string | undefined {
  if (name === 'authorization') return 'tokenEnv or tokenFile, which name where the token stands';
  if (name.startsWith('content-') || name === 'accept' || name === 'cookie') return 'another header; this one is ours';
  return headerNameFault(name);
}

function checkCommand(command: unknown, path: DocumentPath, list: ProblemList): void {
  const run = ownValue(command, 'run');
  if (!Array.isArray(run)) return;
  if (run[0] === '') list.report([...path, 'run', 0], '', 'a program');
  for (const [index, word] of run.entries()) {
    if (typeof word === 'string' && word.includes('\0')) {
      list.report([...path, 'run', index], note('a text with a zero byte'), 'a text without');
    }
  }
}

/** A password in an address would end in logs and on the terminal, so the message does not repeat it either. */
function checkAddress(address: unknown, path: DocumentPath, list: ProblemList): void {
  if (typeof address !== 'string' || address === '') return;
  const expected = 'http://host:port or https://host:port';
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    list.report(path, address.includes('@') ? note('no address') : address, expected);
    return;
  }
  if (url.username !== '' || url.password !== '') {
    list.report(path, note('an address with a user'), `${expected}; tokenEnv or tokenFile name a token`);
  } else if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    list.report(path, address, expected);
  }
}
