import type { DocumentPath } from '../../policy/document-path';
import { ownValue } from '../../policy/plain-data';
import { MISSING, note, type ProblemList } from '../../policy/problems';

/** `figures`: of built-in checks, whose queries are ours; `value`: of a check with a query of its own. */
export function checkProvider(
  provider: unknown,
  purpose: 'figures' | 'value',
  path: DocumentPath,
  problems: ProblemList,
): void {
  const prometheus = ownValue(provider, 'prometheus');
  checkAddress(ownValue(prometheus, 'address'), [...path, 'prometheus', 'address'], problems);
  if (typeof prometheus === 'object' && prometheus !== null && !Array.isArray(prometheus)) {
    const query = ownValue(prometheus, 'query');
    const at = [...path, 'prometheus', 'query'];
    if (purpose === 'value' && query === undefined) problems.report(at, MISSING, 'a query in PromQL');
    if (purpose === 'figures' && query !== undefined) {
      problems.report(at, query, 'none; built-in checks have their own, a query goes into a check: value');
    }
  }
  checkWebhook(ownValue(provider, 'webhook'), [...path, 'webhook'], problems);
  checkCommand(ownValue(provider, 'command'), [...path, 'command'], problems);
}

export function checkWebhook(webhook: unknown, path: DocumentPath, problems: ProblemList): void {
  checkAddress(ownValue(webhook, 'url'), [...path, 'url'], problems);
}

export function checkCommand(command: unknown, path: DocumentPath, problems: ProblemList): void {
  const run = ownValue(command, 'run');
  if (!Array.isArray(run)) return;
  if (run[0] === '') problems.report([...path, 'run', 0], '', 'a program');
  for (const [index, word] of run.entries()) {
    if (typeof word === 'string' && word.includes('\0')) {
      problems.report([...path, 'run', index], note('a text with a zero byte'), 'a text without');
    }
  }
}

/** A password in an address would end in Consul, in logs and in the terminal, so the message does not repeat it either. */
function checkAddress(address: unknown, path: DocumentPath, problems: ProblemList): void {
  if (typeof address !== 'string' || address === '') return;
  const expected = 'http://host:port or https://host:port';
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    problems.report(path, address.includes('@') ? note('no address') : address, expected);
    return;
  }
  if (url.username !== '' || url.password !== '') {
    problems.report(path, note('an address with a user'), `${expected}; tokenEnv names a variable that holds a token`);
  } else if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    problems.report(path, address, expected);
  }
}
