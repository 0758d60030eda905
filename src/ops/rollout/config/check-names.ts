import { queryFault } from '../analysis/create-metrics-provider';
import type { CheckDocument, RolloutDocument } from '../document';
import { CLIENTS, type ControllerConfig, hookNames, providerNames } from './controller-config';

/**
 * What a controller with this configuration could not do for a sound document: providers and hooks that it does not have, queries
 * where there is nobody to ask. `analysis.provider: metrics (expected: one of clients, prometheus)`. Empty: nothing.
 */
export function checkNames(document: RolloutDocument, config: ControllerConfig): readonly string[] {
  const { analysis, steps, notify = [] } = document;
  const expected = `one of ${providerNames(config)}; the configuration of the controller has no other`;
  const provider = analysis?.provider;
  const isKnown = provider === undefined || provider === CLIENTS || config.providers.has(provider);
  const of = (checks: readonly CheckDocument[] | undefined, path: string): readonly string[] =>
    (checks ?? []).flatMap((check, at) => {
      if (check.check !== 'value') return [];
      const found = config.providers.get(check.provider);
      const where = `${path}.checks[${at}]`;
      if (found === undefined) return [`${where}.provider: ${check.provider} (expected: ${expected})`];
      const fault = queryFault(found, check.query);
      return fault === undefined ? [] : [`${where}.${fault}`];
    });
  return [
    ...(isKnown ? [] : [`analysis.provider: ${provider} (expected: ${expected})`]),
    ...of(analysis?.checks, 'analysis'),
    ...steps.flatMap((step, at) => ('analysis' in step ? of(step.analysis.checks, `steps[${at}].analysis`) : [])),
    ...notify.flatMap((name, at) =>
      config.hooks.has(name)
        ? []
        : [`notify[${at}]: ${name} (expected: a hook of the controller; ${hookNames(config)})`],
    ),
  ];
}
