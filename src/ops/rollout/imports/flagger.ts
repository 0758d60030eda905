import { type Fields, fieldsOf, listOf, textOf } from '../../../policy/chain/report';
import type { LabelMatcherDocument, MatchDocument } from '../../../policy/document';
import { headerFault, regexMatcher } from '../../imports/matchers';
import type { ImportReport, PlaceReport } from '../../imports/report';
import { entriesOf, type Resource } from '../../imports/resources';
import { cookieCondition } from '../../istio/cookie';
import type { CheckDocument, RolloutStep, ValueCheck } from '../document';
import {
  type ImportedRollout,
  isGiven,
  plainName,
  RolloutDraft,
  readDuration,
  type SubsetNames,
  withoutDoubles,
} from './draft';

/** Of the service mesh, not of the rollout; said by other rules, or by nobody. */
const OF_POLICY = 'belongs to the policy of the service: graylane policy import-istio';
const SCALED = 'instances are scaled elsewhere; maxLoadFactor waits for them';
const LEFT: Readonly<Record<string, string>> = {
  autoscalerRef: SCALED,
  progressDeadlineSeconds: `${SCALED}, as long as it takes`,
  ingressRef: 'left out: a rollout moves the split of a policy',
  routeRef: 'left out: a rollout moves the split of a policy',
  upstreamRef: 'left out: a rollout moves the split of a policy',
  gatewayRefs: 'left out: a rollout moves the split of a policy',
  revertOnDeletion: 'a rollout that is not wanted any more is aborted: graylane rollout abort',
  suspend: 'left out: a rollout is started by graylane rollout start',
  metricsServer: "stands in the controller's file, as the address of the provider",
};
const OF_ANALYSIS = [
  ...['interval', 'threshold', 'maxWeight', 'stepWeight', 'stepWeights', 'iterations', 'match', 'metrics'],
  ...['webhooks', 'alerts', 'mirror', 'mirrorWeight'],
];

/** A Canary of Flagger as a rollout: https://docs.flagger.app/usage/how-it-works. Pure. */
export function importCanary(
  canary: Resource,
  resources: readonly Resource[],
  subsets: SubsetNames,
  report: ImportReport,
): ImportedRollout {
  const { spec, path, report: place } = canary;
  const draft = new RolloutDraft();
  const known = ['provider', 'targetRef', 'service', 'analysis', 'canaryAnalysis', 'skipAnalysis'];
  place.read(spec, `${path}.spec`, known, LEFT);
  const served = ['name', 'port', 'portName', 'portDiscovery', 'targetPort', 'appProtocol'];
  const service = readService(canary, served);
  const key = isGiven(spec['analysis']) ? 'analysis' : 'canaryAnalysis';
  const at = `${path}.spec.${key}`;
  const analysis = place.read(spec[key], at, OF_ANALYSIS, {
    stepWeightPromotion: 'stable becomes what the canary is in one write, which moves no call',
    canaryReadyThreshold: SCALED,
    primaryReadyThreshold: SCALED,
    sessionAffinity: "left out: the route's stickBy keeps callers where they are",
  });
  const intervalMs = readDuration(analysis['interval'], `${at}.interval`, place) ?? 60_000;
  const isSkipped = spec['skipAnalysis'] === true;
  if (isSkipped) {
    const instead = 'the weights rise, judged by nothing; Flagger gives the canary all calls at once';
    place.cannot(`${path}.spec.skipAnalysis`, instead);
  }
  const context: CanaryContext = { canary, resources, draft, place, at, analysis, service };
  const hooks = readWebhooks(context);
  const checks = isSkipped ? [] : withoutDoubles([...readMetrics(context), ...hooks.checks], `${at}.metrics`, place);
  if (!isSkipped && checks.length === 0) place.note(at, 'without checks of its own it is judged by the built-in ones');
  const ofValues = checks.some((check) => check.check === 'value' && check.failureLimit !== undefined);
  const count = ofValues ? failureLimitOf(analysis) + 1 : 1;
  if (count > 1) place.note(`${at}.threshold`, `is that of each step, which measures ${count} times: so many may fail`);
  draft.analysis = isSkipped
    ? { background: false }
    : { intervalMs, count, ...(checks.length === 0 ? {} : { checks }) };
  draft.steps.push(
    ...hooks.before.map((gate): RolloutStep => ({ gate })),
    ...readSteps(context, hooks.during, isSkipped),
  );
  readAlerts(context);
  return draft.finish(service, subsets, report);
}

interface CanaryContext {
  readonly canary: Resource;
  readonly resources: readonly Resource[];
  readonly draft: RolloutDraft;
  readonly place: PlaceReport;
  /** Path of the analysis. */
  readonly at: string;
  readonly analysis: Fields;
  readonly service: string;
}

function readService({ spec, path, name, report }: Resource, known: readonly string[]): string {
  const others = entriesOf(spec['service']).map(([key]) => [key, OF_POLICY] as const);
  const fields = report.read(spec['service'], `${path}.spec.service`, known, Object.fromEntries(others));
  return textOf(fields['name']) ?? textOf(fieldsOf(spec['targetRef'])['name']) ?? name;
}

/** Weights, calls that match, or all at once. */
function readSteps(
  { analysis, at, place, draft }: CanaryContext,
  during: readonly string[],
  isSkipped: boolean,
): RolloutStep[] {
  const judged = (count?: number): RolloutStep[] => {
    const gates = during.map((gate): RolloutStep => ({ gate }));
    return isSkipped ? gates : [...gates, { analysis: count === undefined ? {} : { count } }];
  };
  if (analysis['mirror'] === true) {
    const percent = isGiven(analysis['mirrorWeight']) ? Number(analysis['mirrorWeight']) : 100;
    const durationMs = draft.analysis.intervalMs ?? 60_000;
    draft.steps.push({ setMirror: { percent } }, { pause: { durationMs } }, { setMirror: { percent: 0 } });
    place.cannot(
      `${at}.mirror`,
      'copies are made for one interval, and judged by nothing: a mirror-compare check judges their answers',
    );
  }
  const iterations = Number(analysis['iterations'] ?? 0);
  const matches = listOf(analysis['match']);
  if (matches.length > 0) {
    const match = readMatches(matches, `${at}.match`, place);
    if (match !== undefined) draft.steps.push({ setRoute: { name: 'ab-test', match } });
    place.note(at, 'calls that match go to the canary alone, as strict as a tester: none of them falls back');
    return [...judged(Math.max(1, iterations, draft.analysis.count ?? 1)), { setWeight: 100 }];
  }
  if (iterations > 0) {
    place.cannot(
      `${at}.iterations`,
      'measured after the switch, in place of before it: a canary without calls has no figures',
    );
    return [
      ...during.map((gate): RolloutStep => ({ gate })),
      { setWeight: 100 },
      ...(isSkipped ? [] : [{ analysis: { count: Math.max(iterations, draft.analysis.count ?? 1) } }]),
    ];
  }
  return weightsOf(analysis, at, place).flatMap((setWeight) => [{ setWeight }, ...judged()]);
}

/** A step for each weight, up to the highest; Flagger then gives the canary all calls by promoting it. */
function weightsOf(analysis: Fields, at: string, place: PlaceReport): readonly number[] {
  const highest = Number(analysis['maxWeight'] ?? 100);
  const listed = listOf(analysis['stepWeights']).map(Number);
  const step = Number(analysis['stepWeight'] ?? 10);
  const isFit = [highest, step, ...listed].every((weight) => weight > 0 && weight <= 100);
  if (!isFit) {
    place.cannot(`${at}.stepWeight`, 'not weights above 0 and up to 100; 10, 50 and 100 are taken');
    return [10, 50, 100];
  }
  if (listed.length > 0) return listed;
  const least = Math.max(step, 2.5);
  if (least !== step) place.cannot(`${at}.stepWeight`, `${step}; 2.5 is taken, as a rollout has at most 100 steps`);
  return Array.from({ length: Math.ceil(highest / least) }, (_, index) => Math.min(highest, least * (index + 1)));
}

/** Alternatives of headers; what cannot be said leaves its alternative out. */
function readMatches(matches: readonly unknown[], path: string, place: PlaceReport): MatchDocument | undefined {
  const alternatives = matches.flatMap((each, index): Readonly<Record<string, LabelMatcherDocument>>[] => {
    const at = `${path}[${index}]`;
    const fields = fieldsOf(each);
    const strange = Object.keys(fields).filter((name) => name !== 'headers' && isGiven(fields[name]));
    for (const name of strange) place.cannot(`${at}.${name}`, 'not mapped; these calls are left out');
    const labels = entriesOf(fields['headers']).map(([name, value]) =>
      readHeader(name, value, `${at}.headers.${name}`, place),
    );
    if (strange.length > 0 || labels.length === 0 || labels.includes(undefined)) return [];
    return [Object.fromEntries(labels.flatMap((label) => (label === undefined ? [] : [label])))];
  });
  const [first, ...others] = alternatives;
  if (first === undefined) return undefined;
  return others.length === 0 ? { labels: first } : { any: alternatives.map((labels) => ({ labels })) };
}

function readHeader(
  name: string,
  value: unknown,
  path: string,
  place: PlaceReport,
): readonly [string, LabelMatcherDocument] | undefined {
  const fields = fieldsOf(value);
  const [kind, ...more] = Object.keys(fields);
  const text = textOf(fields[kind ?? '']);
  const cannot = (what: string): undefined => {
    place.cannot(path, `${what}; these calls are left out`);
  };
  if (text === undefined || more.length > 0) return cannot('not one of exact, prefix, suffix, regex');
  if (name.toLowerCase() === 'cookie' && (kind === 'exact' || kind === 'regex')) {
    const cookie = cookieCondition(kind, text);
    return cookie === undefined ? cannot('not a condition on one cookie') : [cookie.key, cookie.matcher];
  }
  const fault = headerFault(name);
  if (fault !== undefined) return cannot(`no label has this name (expected: ${fault})`);
  if (kind === 'exact') return [name.toLowerCase(), text];
  if (kind === 'prefix') return [name.toLowerCase(), { prefix: text }];
  if (kind === 'suffix') return [name.toLowerCase(), { suffix: text }];
  if (kind !== 'regex') return cannot('not one of exact, prefix, suffix, regex');
  const regex = regexMatcher(text);
  return typeof regex === 'string' ? cannot(regex) : [name.toLowerCase(), regex];
}

/** Flagger takes the canary back at as many failed checks as its threshold says. */
function failureLimitOf({ threshold }: Fields): number {
  return Number(threshold) > 1 ? Math.floor(Number(threshold)) - 1 : 0;
}

function readMetrics(context: CanaryContext): readonly CheckDocument[] {
  const { analysis, at, place } = context;
  const limit = failureLimitOf(analysis);
  const failureLimit = limit === 0 ? {} : { failureLimit: limit };
  return listOf(analysis['metrics']).flatMap((metric, index): readonly CheckDocument[] => {
    const path = `${at}.metrics[${index}]`;
    const known = ['name', 'interval', 'threshold', 'thresholdRange', 'templateRef', 'templateVariables', 'query'];
    const fields = place.read(metric, path, known);
    const range = fieldsOf(fields['thresholdRange']);
    const name = textOf(fields['name']) ?? '';
    const isBuiltIn = name === 'request-success-rate' || name === 'request-duration';
    const old = fields['threshold'];
    const min = range['min'] ?? (name === 'request-success-rate' ? old : undefined);
    const max = range['max'] ?? (name === 'request-success-rate' ? undefined : old);
    if (isBuiltIn && !isGiven(fields['templateRef']) && !isGiven(fields['query']))
      return builtIn(name, { min, max }, path, place);
    const conditions = [
      ...(isGiven(min) ? [`result >= ${Number(min)}`] : []),
      ...(isGiven(max) ? [`result <= ${Number(max)}`] : []),
    ];
    if (conditions.length === 0) {
      place.cannot(path, 'no thresholdRange (expected: min, max or both); left out');
      return [];
    }
    const asked = queryOf(fields, path, context);
    if (asked === undefined) return [];
    const check: ValueCheck = {
      ...{ check: 'value', name: isBuiltIn ? `${name}-value` : plainName(name), ...asked },
      ...{ successCondition: conditions.join(' and '), ...failureLimit },
    };
    return [check];
  });
}

function builtIn(
  name: string,
  { min, max }: { readonly min: unknown; readonly max: unknown },
  path: string,
  place: PlaceReport,
): readonly CheckDocument[] {
  if (name === 'request-duration') {
    if (Number(max) > 0) return [{ check: name, quantile: 'p99', maximumMs: Number(max) }];
    place.cannot(path, 'no thresholdRange.max above 0; left out');
    return [];
  }
  const minimum = Number(min);
  if (minimum > 0 && minimum < 100) return [{ check: 'request-success-rate', minimum }];
  place.cannot(path, 'no thresholdRange.min above 0 and below 100; 1 point more than stable is allowed to fail');
  return [{ check: 'request-success-rate' }];
}

/** Of a MetricTemplate or of the metric itself; what Flagger fills in is filled in here. */
function queryOf(
  fields: Fields,
  path: string,
  { canary, resources, draft, place, service }: CanaryContext,
): Pick<ValueCheck, 'provider' | 'query'> | undefined {
  const reference = textOf(fieldsOf(fields['templateRef'])['name']);
  const template = resources.find(({ kind, name }) => kind === 'MetricTemplate' && name === reference);
  if (reference !== undefined && template === undefined) {
    place.cannot(`${path}.templateRef`, `MetricTemplate ${reference} is not in the files; its check is left out`);
    return undefined;
  }
  const provider = fieldsOf(template?.spec['provider']);
  const type = textOf(provider['type']) ?? 'prometheus';
  const text = textOf(template === undefined ? fields['query'] : template.spec['query']);
  if (type !== 'prometheus' || text === undefined) {
    const what = `a provider of type ${type}; left out: a webhook or a command can answer its figure`;
    place.cannot(`${path}.templateRef`, what);
    return undefined;
  }
  const target = textOf(fieldsOf(canary.spec['targetRef'])['name']) ?? canary.name;
  const variables = fieldsOf(fields['templateVariables']);
  const values: Readonly<Record<string, string>> = {
    ...{
      name: canary.name,
      namespace: canary.namespace ?? 'default',
      target,
      service,
      ingress: service,
      route: service,
    },
    interval: '{{window}}',
  };
  const query = text.trim().replace(/\{\{-?\s*([\w.]+)\s*-?\}\}/g, (whole, key: string) => {
    const variable = key.startsWith('variables.') ? textOf(variables[key.slice('variables.'.length)]) : undefined;
    return variable ?? values[key] ?? whole;
  });
  const unknown = /\{\{(?!window\}\})[^}]*\}\}?/.exec(query)?.[0];
  if (unknown !== undefined) {
    place.cannot(path, `its query asks for ${unknown}, which is not known here; left out`);
    return undefined;
  }
  place.note(
    path,
    "see that the query's series say the same here: it was written for series of a mesh or of Kubernetes",
  );
  const address = textOf(provider['address']);
  const name = draft.need(
    'providers',
    'prometheus',
    `prometheus${address === undefined ? '' : `, address ${address}`}`,
  );
  return { provider: name, query };
}

interface Hooks {
  /** Asked as steps before the canary gets calls. */
  readonly before: readonly string[];
  /** Asked as steps before each analysis. */
  readonly during: readonly string[];
  readonly checks: readonly ValueCheck[];
}

function readWebhooks({ analysis, at, place, draft }: CanaryContext): Hooks {
  const before: string[] = [];
  const during: string[] = [];
  const checks: ValueCheck[] = [];
  for (const [index, hook] of listOf(analysis['webhooks']).entries()) {
    const path = `${at}.webhooks[${index}]`;
    const fields = place.read(hook, path, ['name', 'type', 'url', 'timeout', 'metadata', 'muteAlert', 'retries'], {
      disableTLS: "stands in the controller's file",
    });
    const wanted = textOf(fields['name']) ?? `hook-${index + 1}`;
    const type = textOf(fields['type']) ?? 'rollout';
    const what = `webhook, url ${textOf(fields['url']) ?? 'missing'}${isGiven(fields['metadata']) ? '; its metadata goes into headers or the url' : ''}${isGiven(fields['timeout']) ? `; timeout ${String(fields['timeout'])}` : ''}`;
    const gate = (): string => draft.need('gates', wanted, what);
    switch (type) {
      case 'confirm-rollout':
        draft.addGate({ gate: gate(), when: 'before-step', steps: [1] });
        break;
      case 'pre-rollout':
        before.push(gate());
        break;
      case 'rollout':
        during.push(gate());
        break;
      case 'confirm-traffic-increase':
        draft.addGate({ gate: gate(), when: 'before-step' });
        break;
      case 'confirm-promotion':
        draft.addGate({ gate: gate(), when: 'before-promotion' });
        break;
      case 'rollback': {
        const provider = draft.need('providers', wanted, `${what}; answers {"result": 1} to take the canary back`);
        checks.push({ check: 'value', name: plainName(wanted), provider, failureCondition: 'result == 1' });
        break;
      }
      case 'event':
      case 'post-rollout':
        draft.addHook(draft.need('hooks', wanted, what));
        break;
      default:
        place.cannot(`${path}.type`, `${JSON.stringify(type)}; left out`);
    }
  }
  return { before, during, checks };
}

function readAlerts({ analysis, at, place, draft, resources }: CanaryContext): void {
  for (const [index, alert] of listOf(analysis['alerts']).entries()) {
    const path = `${at}.alerts[${index}]`;
    const fields = place.read(alert, path, ['name', 'providerRef', 'severity']);
    if (isGiven(fields['severity']) && fields['severity'] !== 'info') {
      place.cannot(`${path}.severity`, `${String(fields['severity'])} alone; here the hook is told of everything`);
    }
    const name = textOf(fieldsOf(fields['providerRef'])['name']) ?? textOf(fields['name']) ?? `alert-${index + 1}`;
    const provider = resources.find((each) => each.kind === 'AlertProvider' && each.name === name);
    const type = textOf(provider?.spec['type']) ?? 'webhook';
    draft.addHook(draft.need('hooks', name, `${type}, as of the AlertProvider`));
  }
}
