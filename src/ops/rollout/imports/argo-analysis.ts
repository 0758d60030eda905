import { type Fields, fieldsOf, listOf, textOf } from '../../../policy/chain/report';
import type { PlaceReport } from '../../imports/report';
import type { Resource } from '../../imports/resources';
import type { AnalysisDocument, RolloutStep, ValueCheck } from '../document';
import { isGiven, plainName, type RolloutDraft, readCondition, readDuration, withoutDoubles } from './draft';

export interface AnalysisSource {
  /** Of all files, for the templates. */
  readonly resources: readonly Resource[];
  readonly draft: RolloutDraft;
  readonly place: PlaceReport;
}

const KINDS = ['AnalysisTemplate', 'ClusterAnalysisTemplate'];

/** The steps that an analysis of these templates becomes: gates for its jobs, then an analysis of its figures. */
export function readAnalysis(
  value: unknown,
  path: string,
  alsoKnown: readonly string[],
  source: AnalysisSource,
): readonly RolloutStep[] {
  const { place, resources } = source;
  const known = ['templates', 'templateName', 'clusterScope', 'args', ...alsoKnown];
  const fields = place.read(value, path, known, {
    dryRun: 'left out: every check counts',
    measurementRetention: 'the record keeps the last 20 results',
    analysisRunMetadata: 'left out',
  });
  const named = [...listOf(fields['templates']).map((each) => fieldsOf(each)['templateName']), fields['templateName']];
  const given = argsOf(fields['args']);
  const gates: RolloutStep[] = [];
  const read: ReadMetric[] = [];
  let isWhole = true;
  for (const name of named.flatMap((each) => textOf(each) ?? [])) {
    const template = resources.find((each) => KINDS.includes(each.kind) && each.name === name);
    if (template === undefined) {
      place.cannot(path, `AnalysisTemplate ${name} is not in the files; what it judges is left out`);
      isWhole = false;
      continue;
    }
    const found = readTemplate(template, given, source);
    gates.push(...found.gates);
    read.push(...found.metrics);
  }
  if (read.length === 0) {
    if (gates.length === 0) {
      const why = isWhole ? 'none of its metrics can be said' : 'nothing is known of it';
      place.cannot(path, `${why}; the built-in checks judge in its place`);
      return [{ analysis: {} }];
    }
    return gates;
  }
  return [...gates, { analysis: joined(read, path, place) }];
}

/** A metric that can be said, with what Argo says of it and a rollout of the whole analysis. */
interface ReadMetric {
  readonly check: ValueCheck;
  readonly intervalMs: number | undefined;
  readonly count: number;
  readonly initialDelayMs: number | undefined;
  readonly inconclusiveLimit: number | undefined;
  readonly consecutiveErrorLimit: number | undefined;
}

/** One analysis has one interval and one count: the longest, and the most. */
function joined(read: readonly ReadMetric[], path: string, place: PlaceReport): AnalysisDocument {
  const most = (values: readonly (number | undefined)[]): number | undefined => {
    const known = values.filter((value) => value !== undefined);
    return known.length === 0 ? undefined : Math.max(...known);
  };
  const intervals = new Set(read.map(({ intervalMs }) => intervalMs));
  const counts = new Set(read.map(({ count }) => count));
  if (intervals.size > 1 || counts.size > 1) place.note(path, 'its metrics are all measured as the slowest of them');
  const entries = {
    intervalMs: most(read.map(({ intervalMs }) => intervalMs)),
    count: most(read.map(({ count }) => count)),
    initialDelayMs: most(read.map(({ initialDelayMs }) => initialDelayMs)),
    inconclusiveLimit: most(read.map(({ inconclusiveLimit }) => inconclusiveLimit)),
    consecutiveErrorLimit: most(read.map(({ consecutiveErrorLimit }) => consecutiveErrorLimit)),
  };
  const set = Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined));
  return {
    ...set,
    checks: withoutDoubles(
      read.map(({ check }) => check),
      path,
      place,
    ),
  };
}

type Args = ReadonlyMap<string, string>;

/** Values that stand in the text; others (of a field, of a secret) are left open. */
function argsOf(value: unknown): Args {
  return new Map(
    listOf(value).flatMap((each): [string, string][] => {
      const { name, value: text } = fieldsOf(each);
      return isGiven(text) && textOf(name) !== undefined ? [[textOf(name) ?? '', String(text)]] : [];
    }),
  );
}

function readTemplate(
  template: Resource,
  given: Args,
  source: AnalysisSource,
): { readonly gates: readonly RolloutStep[]; readonly metrics: readonly ReadMetric[] } {
  const { spec, path, report } = template;
  const fields = report.read(spec, `${path}.spec`, ['args', 'metrics'], {
    dryRun: 'left out: every check counts',
    measurementRetention: 'the record keeps the last 20 results',
    templates: 'templates in templates; left out',
  });
  const args = new Map([...argsOf(fields['args']), ...given]);
  const gates: RolloutStep[] = [];
  const metrics = listOf(fields['metrics']).flatMap((metric, index): readonly ReadMetric[] => {
    const at = `${path}.spec.metrics[${index}]`;
    const provider = fieldsOf(fieldsOf(metric)['provider']);
    const name = textOf(fieldsOf(metric)['name']) ?? `metric-${index + 1}`;
    if ('job' in provider) {
      gates.push({ gate: source.draft.need('gates', name, 'command: what the job runs; ends with 0 when it is well') });
      return [];
    }
    return readMetric(metric, at, { args, source, report });
  });
  return { gates, metrics };
}

function readMetric(
  metric: unknown,
  at: string,
  { args, source, report }: { readonly args: Args; readonly source: AnalysisSource; readonly report: PlaceReport },
): readonly ReadMetric[] {
  const known = ['name', 'interval', 'count', 'initialDelay', 'failureLimit', 'inconclusiveLimit', 'provider'];
  const conditions = ['successCondition', 'failureCondition'] as const;
  const fields = report.read(metric, at, [...known, 'consecutiveErrorLimit', ...conditions], {
    consecutiveSuccessLimit: 'left out: count is what a verdict takes',
  });
  const asked = askOf(fields, at, args, source, report);
  if (asked === undefined) return [];
  const read = conditions.flatMap((key): readonly (readonly [string, string | undefined])[] => {
    const text = textOf(fields[key]);
    return text === undefined ? [] : [[key, readCondition(fillIn(text, args), `${at}.${key}`, report)]];
  });
  if (read.some(([, text]) => text === undefined)) return [];
  if (read.length === 0) {
    report.cannot(at, 'neither successCondition nor failureCondition; left out');
    return [];
  }
  const number = (key: string): number | undefined => {
    const value = isGiven(fields[key]) ? Number(fillIn(String(fields[key]), args)) : Number.NaN;
    return Number.isInteger(value) && value >= 0 ? value : undefined;
  };
  const failureLimit = number('failureLimit');
  const check: ValueCheck = {
    ...{ check: 'value', name: plainName(textOf(fields['name']) ?? 'metric'), ...asked },
    ...(Object.fromEntries(read) as object),
    ...(failureLimit === undefined || failureLimit === 0 ? {} : { failureLimit }),
  };
  const interval = isGiven(fields['interval']) ? fillIn(String(fields['interval']), args) : undefined;
  if (interval !== undefined && number('count') === undefined) {
    report.cannot(at, 'measured without an end, as long as the rollout; here once after each weight');
  }
  return [
    {
      check,
      intervalMs: readDuration(interval, `${at}.interval`, report),
      // So many that as many as are too many can fail.
      count: Math.max(number('count') ?? 1, (failureLimit ?? 0) + 1),
      initialDelayMs: readDuration(fields['initialDelay'], `${at}.initialDelay`, report),
      inconclusiveLimit: number('inconclusiveLimit'),
      consecutiveErrorLimit: number('consecutiveErrorLimit'),
    },
  ];
}

/** What is read of a provider. */
const ASKED: Readonly<Record<string, readonly string[]>> = {
  prometheus: ['address', 'query'],
  web: ['url', 'jsonPath'],
};
const OF_FILE = "stands in the controller's file, with the provider";
const NOT_ASKED: Readonly<Record<string, string>> = {
  rangeQuery: 'left out: the query is asked for one instant',
  ...{ timeout: OF_FILE, timeoutSeconds: OF_FILE, headers: OF_FILE, authentication: OF_FILE, insecure: OF_FILE },
  ...{ method: OF_FILE, body: OF_FILE, jsonBody: OF_FILE },
};

/** Where the figure comes from; undefined, and told, where that cannot be said. */
function askOf(
  { name, provider }: Fields,
  at: string,
  args: Args,
  { draft }: AnalysisSource,
  report: PlaceReport,
): Pick<ValueCheck, 'provider' | 'query'> | undefined {
  const [kind = 'none'] = Object.keys(fieldsOf(provider));
  const given = fieldsOf(provider)[kind];
  const known = Object.hasOwn(ASKED, kind) ? ASKED[kind] : undefined;
  const fields = known ? report.read(given, `${at}.provider.${kind}`, known, NOT_ASKED) : fieldsOf(given);
  if (kind === 'web') {
    const what = `webhook, url ${textOf(fields['url']) ?? 'missing'}; answers {"result": NUMBER}`;
    if (isGiven(fields['jsonPath'])) report.note(at, 'what answers it gives {"result": NUMBER}: there is no jsonPath');
    return { provider: draft.need('providers', textOf(name) ?? 'web', what) };
  }
  const text = textOf(fields['query']);
  if (kind !== 'prometheus' || text === undefined) {
    report.cannot(`${at}.provider.${kind}`, 'left out: a webhook or a command can answer its figure');
    return undefined;
  }
  const query = fillIn(text.trim(), args);
  const unknown = /\{\{[^}]*\}\}?/.exec(query)?.[0];
  if (unknown !== undefined) {
    report.cannot(`${at}.provider.prometheus.query`, `${unknown} has no value in the files; its check is left out`);
    return undefined;
  }
  report.note(
    at,
    "see that the query's series say the same here: it was written for series of a mesh or of Kubernetes",
  );
  const address = textOf(fields['address']);
  return {
    provider: draft.need(
      'providers',
      'prometheus',
      address === undefined ? 'prometheus' : `prometheus, address ${address}`,
    ),
    query,
  };
}

function fillIn(text: string, args: Args): string {
  return text.replace(/\{\{\s*args\.([\w.-]+)\s*\}\}/g, (whole, name: string) => args.get(name) ?? whole);
}
