import { type Fields, fieldsOf, listOf, textOf } from '../../../policy/chain/report';
import type { LabelMatcherDocument } from '../../../policy/document';
import { headerFault, regexMatcher } from '../../imports/matchers';
import type { ImportReport, PlaceReport } from '../../imports/report';
import { entriesOf, type Resource } from '../../imports/resources';
import type { AnalysisDocument, RolloutStep } from '../document';
import { type AnalysisSource, readAnalysis } from './argo-analysis';
import { type ImportedRollout, isGiven, RolloutDraft, readDuration, type SubsetNames } from './draft';

const SCALED = 'instances are scaled elsewhere; maxLoadFactor waits for them';
const OF_SPLIT = 'left out: a rollout moves the split of a policy';
/** How instances are deployed. */
const OF_WORKLOAD = [
  ...['replicas', 'selector', 'template', 'workloadRef', 'minReadySeconds', 'revisionHistoryLimit', 'restartAt'],
];
const OF_STEP: Readonly<Record<string, string>> = {
  setCanaryScale: SCALED,
  replicaProgressThreshold: SCALED,
  experiment: 'no such step; left out',
  plugin: 'no such step; left out: a gate can ask what it did',
};

/** A Rollout of Argo as a rollout of ours: https://argo-rollouts.readthedocs.io/en/stable/features/specification. Pure. */
export function importArgo(
  rollout: Resource,
  resources: readonly Resource[],
  subsets: SubsetNames,
  report: ImportReport,
): ImportedRollout {
  const { spec, path, report: place, name } = rollout;
  const draft = new RolloutDraft();
  place.read(spec, `${path}.spec`, [...OF_WORKLOAD, 'strategy', 'analysis'], {
    paused: 'left out: a rollout is started by graylane rollout start',
    progressDeadlineSeconds: `${SCALED}, as long as it takes`,
    progressDeadlineAbort: `${SCALED}, as long as it takes`,
    rollbackWindow: 'left out',
  });
  place.note(`${path}.spec`, 'how instances are deployed and scaled is no part of a rollout');
  const strategy = place.read(spec['strategy'], `${path}.spec.strategy`, ['canary', 'blueGreen']);
  const context: ArgoContext = { resources, draft, place };
  if (isGiven(strategy['blueGreen'])) readBlueGreen(strategy['blueGreen'], `${path}.spec.strategy.blueGreen`, context);
  else readCanary(strategy['canary'], `${path}.spec.strategy.canary`, context);
  return draft.finish(name, subsets, report);
}

interface ArgoContext extends AnalysisSource {
  readonly place: PlaceReport;
}

function readCanary(value: unknown, path: string, context: ArgoContext): void {
  const { draft, place } = context;
  const known = [
    'steps',
    'analysis',
    'canaryService',
    'stableService',
    'trafficRouting',
    'canaryMetadata',
    'stableMetadata',
  ];
  const fields = place.read(value, path, known, {
    ...{ maxSurge: SCALED, maxUnavailable: SCALED, dynamicStableScale: SCALED, minPodsPerReplicaSet: SCALED },
    ...{ scaleDownDelaySeconds: SCALED, scaleDownDelayRevisionLimit: SCALED, abortScaleDownDelaySeconds: SCALED },
    ...{ antiAffinity: SCALED, pingPong: OF_SPLIT },
  });
  if (isGiven(fields['trafficRouting']))
    place.note(`${path}.trafficRouting`, 'the split of the policy is what moves calls');
  const whole = Number(fieldsOf(fields['trafficRouting'])['maxTrafficWeight'] ?? 100);
  const background = isGiven(fields['analysis'])
    ? readAnalysis(fields['analysis'], `${path}.analysis`, ['startingStep'], context)
    : undefined;
  const from = Number(fieldsOf(fields['analysis'])['startingStep'] ?? 0);
  if (background !== undefined) {
    place.cannot(`${path}.analysis`, 'runs after each setWeight, in place of beside all steps');
  }
  for (const [index, step] of listOf(fields['steps']).entries()) {
    const steps = readStep(step, `${path}.steps[${index}]`, whole, context);
    const isRaised = steps.some((each) => 'setWeight' in each && each.setWeight > 0);
    draft.steps.push(...steps, ...(isRaised && index >= from ? (background ?? []) : []));
  }
  if (!draft.steps.some((step) => 'analysis' in step)) draft.analysis = { background: false };
}

const STEPS = ['setWeight', 'pause', 'setHeaderRoute', 'setMirrorRoute', 'analysis'] as const;

/** `whole`: the weight that stands for all calls. */
function readStep(step: unknown, path: string, whole: number, context: ArgoContext): readonly RolloutStep[] {
  const { place } = context;
  const fields = place.read(step, path, STEPS, OF_STEP);
  // A pause is written as `pause: {}` or, as people do, without a value.
  const kinds = STEPS.filter((kind) => isGiven(fields[kind]) || (kind === 'pause' && kind in fields));
  if (kinds.length > 1) {
    place.cannot(path, `${kinds.join(' and ')} in one step, which Argo refuses; taken for steps one after the other`);
  }
  return kinds.flatMap((kind): readonly RolloutStep[] => {
    const [value, at] = [fields[kind], `${path}.${kind}`];
    switch (kind) {
      case 'setWeight':
        return readWeight(value, at, whole, place);
      case 'pause': {
        const { duration } = place.read(value, at, ['duration']);
        const durationMs = readDuration(duration, `${at}.duration`, place);
        return [{ pause: durationMs === undefined ? {} : { durationMs } }];
      }
      case 'analysis':
        return readAnalysis(value, at, [], context);
      case 'setMirrorRoute':
        return readMirrorRoute(value, at, context);
      default:
        return readHeaderRoute(value, at, context);
    }
  });
}

function readWeight(value: unknown, path: string, whole: number, place: PlaceReport): readonly RolloutStep[] {
  const setWeight = (Number(value) * 100) / whole;
  if (setWeight >= 0 && setWeight <= 100) return [{ setWeight }];
  place.cannot(path, `${place.written(path, value)} (expected: 0 to ${whole}); left out`);
  return [];
}

/** One without a share and conditions takes the copies away. */
function readMirrorRoute(value: unknown, path: string, { place, draft }: ArgoContext): readonly RolloutStep[] {
  const { match, percentage } = place.read(value, path, ['name', 'match', 'percentage']);
  if (listOf(match).length > 0) {
    place.cannot(`${path}.match`, 'copies are of all calls of the route; left out');
    return [];
  }
  const percent = Number(percentage ?? 0);
  const isBegun = draft.steps.some((step) => 'setMirror' in step);
  return percent > 0 || isBegun ? [{ setMirror: { percent } }] : [];
}

/** One without conditions takes the route of its name away. */
function readHeaderRoute(value: unknown, path: string, context: ArgoContext): readonly RolloutStep[] {
  const { place } = context;
  const { name, match } = place.read(value, path, ['name', 'match']);
  if (listOf(match).length === 0) {
    const cleared = textOf(name) ?? '';
    const isThere = context.draft.steps.some((step) => 'setRoute' in step && step.setRoute.name === cleared);
    return isThere ? [{ clearRoute: cleared }] : [];
  }
  const labels: [string, LabelMatcherDocument][] = [];
  for (const [index, each] of listOf(match).entries()) {
    const at = `${path}.match[${index}]`;
    const { headerName, headerValue } = place.read(each, at, ['headerName', 'headerValue']);
    const header = textOf(headerName) ?? '';
    const matcher = readMatcher(fieldsOf(headerValue));
    const fault = matcher === undefined ? 'exact, prefix or regex' : headerFault(header);
    if (fault === undefined && matcher !== undefined) labels.push([header.toLowerCase(), matcher]);
    else {
      place.cannot(at, `cannot be said of a label (expected: ${fault}); its route is left out`);
      return [];
    }
  }
  const route = { name: textOf(name) ?? 'testers', match: { labels: Object.fromEntries(labels) } };
  return [{ setRoute: route }];
}

function readMatcher(fields: Fields): LabelMatcherDocument | undefined {
  const exact = textOf(fields['exact']);
  const prefix = textOf(fields['prefix']);
  const regex = textOf(fields['regex']);
  if (exact !== undefined) return exact;
  if (prefix !== undefined) return { prefix };
  const matcher = regex === undefined ? undefined : regexMatcher(regex);
  return typeof matcher === 'string' ? undefined : matcher;
}

/** All calls at once: judged before by values alone, since a canary without calls has no figures, and after. */
function readBlueGreen(value: unknown, path: string, context: ArgoContext): void {
  const { draft, place } = context;
  const known = [
    ...[
      'activeService',
      'prePromotionAnalysis',
      'postPromotionAnalysis',
      'autoPromotionEnabled',
      'autoPromotionSeconds',
    ],
    ...['activeMetadata', 'previewMetadata'],
  ];
  const fields = place.read(value, path, known, {
    previewService: 'left out: a setRoute step lets testers reach the canary first',
    ...{ previewReplicaCount: SCALED, scaleDownDelaySeconds: SCALED, scaleDownDelayRevisionLimit: SCALED },
    ...{ abortScaleDownDelaySeconds: SCALED, antiAffinity: SCALED, maxUnavailable: SCALED },
  });
  if (isGiven(fields['prePromotionAnalysis'])) {
    const before = readAnalysis(fields['prePromotionAnalysis'], `${path}.prePromotionAnalysis`, [], context);
    draft.steps.push(...before.filter((step) => !('analysis' in step) || isOfValues(step.analysis)));
  }
  const afterMs = readDuration(fields['autoPromotionSeconds'], `${path}.autoPromotionSeconds`, place);
  if (fields['autoPromotionEnabled'] === false) draft.steps.push({ pause: {} });
  else if (afterMs !== undefined) draft.steps.push({ pause: { durationMs: afterMs } });
  draft.steps.push({ setWeight: 100 });
  if (isGiven(fields['postPromotionAnalysis'])) {
    draft.steps.push(...readAnalysis(fields['postPromotionAnalysis'], `${path}.postPromotionAnalysis`, [], context));
  }
  draft.analysis = { ...draft.analysis, background: false };
  const strange = entriesOf(value).length === 0;
  if (strange) place.note(path, 'says nothing: all calls go over at once');
}

function isOfValues({ checks = [] }: AnalysisDocument): boolean {
  return checks.length > 0 && checks.every(({ check }) => check === 'value');
}
