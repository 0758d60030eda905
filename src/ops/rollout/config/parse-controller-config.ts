import { headerNameFault } from '../../../base/header-name';
import { isRecord } from '../../../base/is-record';
import { parsePolicyText } from '../../../policy/parse-text';
import { deepFreeze, ownValue } from '../../../policy/plain-data';
import type { PolicyProblem } from '../../../policy/plan';
import { createProblemList, type DocumentPath, note, type Positions, type ProblemList } from '../../../policy/problems';
import { copyDocument, isOfLaterFormat } from '../../../policy/validation/copy-document';
import { createSynonyms } from '../../../policy/validation/unknown-key';
import { createRolloutStructureCheck } from '../validation/structure-check';
import { CLIENTS, type ControllerConfig, type ControllerConfigDocument } from './controller-config';
import { controllerSchema } from './controller-schema';

export interface JudgedConfig {
  /** All that is wrong: `providers.metrics.prometheus.address: "x" (expected: ...)`. */
  readonly problems: readonly PolicyProblem[];
  /** Undefined when there are problems. */
  readonly config: ControllerConfig | undefined;
}

const NOUN = 'controller configuration';

const checkStructure = createRolloutStructureCheck(
  controllerSchema,
  createSynonyms({
    notify: 'here hooks',
    webhooks: 'here hooks',
    metrics: 'here providers',
    host: 'here address',
    token: 'a secret stays out of the file: tokenEnv names a variable, tokenFile a file',
    password: 'a secret stays out of the file: tokenEnv names a variable, tokenFile a file',
    bearerToken: 'a secret stays out of the file: tokenEnv names a variable, tokenFile a file',
    timeout: 'here timeoutMs, in milliseconds',
    query: 'a query stands in the check of a rollout',
    version: 'here schema: 1',
  }),
);

/** Reads what a controller may reach from the text of a file. Never throws; problems carry line and column. */
export function parseControllerConfig(text: string | Uint8Array, format: 'json' | 'yaml'): JudgedConfig {
  const parsed = parsePolicyText(text, format, NOUN);
  if (parsed.value === undefined) return { problems: parsed.problems, config: undefined };
  const judged = judgeControllerConfig(parsed.value, parsed.positions);
  const problems = [...parsed.problems, ...judged.problems];
  return { problems, config: problems.length === 0 ? judged.config : undefined };
}

/** The same of a value. Never throws. */
export function judgeControllerConfig(value: unknown, positions?: Positions): JudgedConfig {
  const list = createProblemList(positions, NOUN);
  const document = copyDocument(value, NOUN, list);
  if (document !== undefined && !isOfLaterFormat(document, list)) {
    checkStructure(document, list);
    for (const kind of ['providers', 'hooks'] as const) {
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
  const { providers = {}, hooks = {} } = deepFreeze(document as unknown as ControllerConfigDocument);
  return {
    problems,
    config: { providers: new Map(Object.entries(providers)), hooks: new Map(Object.entries(hooks)) },
  };
}

function checkEntry(entry: unknown, path: DocumentPath, list: ProblemList): void {
  for (const [kind, key] of [
    ['prometheus', 'address'],
    ['webhook', 'url'],
  ] as const) {
    const request = ownValue(entry, kind);
    checkAddress(ownValue(request, key), [...path, kind, key], list);
    checkRequest(request, [...path, kind], list);
  }
  checkCommand(ownValue(entry, 'command'), [...path, 'command'], list);
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
