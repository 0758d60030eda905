import { describe, expect, it } from 'vitest';
import { ImportReport } from '../../../../../src/ops/imports/report';
import { readResources } from '../../../../../src/ops/imports/resources';
import { readSources } from '../../../../../src/ops/imports/sources';
import {
  advance,
  confirmAction,
  nextWakeMs,
  resumeRollout,
  startRollout,
} from '../../../../../src/ops/rollout/advance';
import type { Measurement } from '../../../../../src/ops/rollout/analysis/subset-metrics';
import type { RolloutDocument } from '../../../../../src/ops/rollout/document';
import { takeGateAnswer, wantedGate } from '../../../../../src/ops/rollout/gates/passage';
import type { ImportedRollout } from '../../../../../src/ops/rollout/imports/draft';
import { chooseRollout, importRollout, isOfRollout, PLACEHOLDERS } from '../../../../../src/ops/rollout/imports/import';
import { wantedMeasurement } from '../../../../../src/ops/rollout/measurement';
import { dueActions, type RolloutProgress } from '../../../../../src/ops/rollout/progress';
import { SPECS, type Spec } from './specs';

function imported(text: string, name?: string): ImportedRollout {
  const report = new ImportReport();
  const { documents, faults } = readSources([{ file: 'file.yaml', text }], PLACEHOLDERS);
  for (const fault of faults) report.fault(fault);
  const resources = readResources(documents, report).filter(isOfRollout);
  const choice = chooseRollout(resources, name);
  if ('fault' in choice) throw new Error(choice.fault);
  return importRollout(choice.rollout, resources, { canary: 'canary', stable: 'stable' }, report);
}

function documentOf(text: string): RolloutDocument {
  const { document, losses } = imported(text);
  if (document === undefined) throw new Error(losses.map(({ message }) => message).join('; '));
  return document;
}

interface Run {
  readonly progress: RolloutProgress;
  readonly steps: readonly (number | string)[];
  readonly gates: readonly string[];
}

/** The whole rollout in virtual time, with every gate open and a person who resumes. */
function run(document: RolloutDocument, figures: Measurement): Run {
  const steps: (number | string)[] = [];
  const gates = new Set<string>();
  let nowMs = 0;
  let progress = startRollout({ id: 'r1', document, weight: 0 }, 0);
  for (let turn = 0; turn < 2_000; turn += 1) {
    const wanted = wantedMeasurement(progress, nowMs);
    progress = advance(progress, wanted === undefined ? undefined : figures, nowMs);
    const gate = wantedGate(progress, nowMs);
    if (gate !== undefined) {
      gates.add(gate.gate);
      progress = takeGateAnswer(progress, { kind: 'open' }, nowMs);
      continue;
    }
    const actions = dueActions(progress);
    for (const action of actions) {
      if (action.kind === 'setWeight') steps.push(action.weight);
      if (action.kind === 'setRoute') steps.push('route');
      if (action.kind === 'clearRoute') steps.push('route ends');
      if (action.kind === 'setMirror') steps.push(action.mirror.percent === 0 ? 'no copies' : 'copies');
      progress = confirmAction(progress, action.number, nowMs);
    }
    if (actions.length > 0) continue;
    const wakeMs = nextWakeMs(progress);
    if (wakeMs !== undefined) {
      nowMs = Math.max(nowMs, wakeMs);
      continue;
    }
    if (progress.state.kind !== 'paused') break;
    steps.push('resume');
    progress = resumeRollout(progress) ?? progress;
  }
  return { progress, steps, gates: [...gates] };
}

/** `at`: 0 is a healthy canary, 1 one that fails a tenth of its calls and is slow. */
function figuresOf({ values = {} }: Spec, at: 0 | 1): Measurement {
  const side = (isBad: boolean): NonNullable<Measurement['canary']> => ({
    ...{ calls: 20_000, failures: isBad ? 2_000 : 10, openBreakers: 0 },
    durations: { boundsMs: [10, 100, 1_000], counts: isBad ? [0, 0, 5_000, 15_000] : [19_000, 1_000, 0, 0] },
  });
  const measured = Object.entries(values).map(([name, each]) => [name, { result: each[at] }]);
  return { canary: side(at === 1), stable: side(false), values: Object.fromEntries(measured) };
}

describe.each(SPECS.map((spec) => [spec.name, spec] as const))('%s', (_, spec) => {
  it('is translated, what cannot be said is told once with its place', () => {
    const { document, losses } = imported(spec.text);
    expect(losses.map(({ path }) => path)).toEqual(spec.losses);
    expect(losses.every(({ file, line }) => file === 'file.yaml' && line !== undefined)).toBe(true);
    expect(document?.onSuccess).toBe('promote');
  });

  it('runs to its end with a healthy canary', () => {
    const { progress, steps, gates } = run(documentOf(spec.text), figuresOf(spec, 0));
    expect([progress.state.kind, steps, gates]).toEqual(['completed', spec.steps, spec.gates ?? []]);
  });

  it.runIf(spec.isUnjudged !== true)('takes a bad canary back', () => {
    const { progress } = run(documentOf(spec.text), figuresOf(spec, 1));
    expect(progress.state).toMatchObject({ kind: 'aborted', why: 'analysis' });
  });
});

describe('what a translation says', () => {
  const specOf = (part: string): string => SPECS.find(({ name }) => name.includes(part))?.text ?? '';

  it('of limits, queries and conditions', () => {
    expect(documentOf(specOf('equal steps')).analysis).toEqual({
      ...{ intervalMs: 60_000, count: 1 },
      checks: [
        { check: 'request-success-rate', minimum: 99 },
        { check: 'request-duration', quantile: 'p99', maximumMs: 500 },
      ],
    });
    const [ofFlagger] = documentOf(specOf('metric of its own')).analysis?.checks ?? [];
    expect(ofFlagger).toMatchObject({ provider: 'prometheus', successCondition: 'result <= 1', failureLimit: 2 });
    expect(JSON.stringify(ofFlagger)).toContain(
      'namespace=\\"test\\",workload=\\"podinfo\\",code!~\\"5.*\\"}[{{window}}]',
    );
    const step = documentOf(specOf('between the weights')).steps.find((each) => 'analysis' in each);
    expect(step).toMatchObject({
      analysis: {
        ...{ intervalMs: 300_000, count: 3 },
        checks: [{ name: 'success-rate', successCondition: 'result >= 0.95', failureLimit: 1 }],
      },
    });
    expect(JSON.stringify(step)).toContain('service=\\"guestbook-canary.default.svc\\"');
  });

  it('of the conditions of calls', () => {
    expect(documentOf(specOf('A/B')).steps[0]).toEqual({
      setRoute: {
        name: 'ab-test',
        match: {
          any: [{ labels: { 'x-canary': { regex: '.*insider.*' } } }, { labels: { 'cookie:canary': 'always' } }],
        },
      },
    });
  });

  it('of what the policy and the file of the controller need', () => {
    expect(imported(specOf('a way back')).notes).toEqual(
      expect.arrayContaining([
        'the policy of podinfo needs subsets canary and stable',
        "the controller's file needs gates: start (webhook, url http://tester.test/gate/check)",
        "the controller's file needs hooks: slack (slack, as of the AlertProvider)",
      ]),
    );
  });

  it.each([
    ['a name that is not there', specOf('equal steps'), 'shop', 'none named shop (found: Canary/podinfo)'],
    [
      'two of them',
      `${specOf('equal steps')}\n---\n${specOf('weights and pauses')}`,
      undefined,
      '2 of them (found: Canary/podinfo, Rollout/guestbook)',
    ],
    ['none', 'kind: Service\nmetadata: { name: x }\n', undefined, 'no Canary and no Rollout (expected: one at least)'],
  ])('of %s', (_, text, name, fault) => {
    expect(() => imported(text, name)).toThrow(fault);
  });

  it('of templates that were not rendered: they are no document', () => {
    const text = specOf('weights and pauses').replace('setWeight: 20', "setWeight: '{{ .Values.first }}'");
    expect(() => imported(text)).toThrow('no Canary and no Rollout');
  });

  const argo = (canary: string): string =>
    `kind: Rollout\nmetadata: { name: r }\nspec: { strategy: { canary: ${canary} } }\n`;
  const lossesOf = (text: string): readonly string[] => imported(text).losses.map(({ message }) => message);

  it('of a step that is several, which Argo refuses: none is lost', () => {
    const text = argo('{ steps: [{ setWeight: 60, pause: {} }] }');
    expect(documentOf(text).steps).toEqual([{ setWeight: 60 }, { pause: {} }]);
    expect(lossesOf(text)).toEqual([
      expect.stringMatching(/steps\[0\]: setWeight and pause in one step, which Argo refuses; /),
    ]);
  });

  it('of weights that are parts of another whole than 100', () => {
    const text = argo(
      '{ trafficRouting: { maxTrafficWeight: 1000 }, steps: [{ setWeight: 10 }, { setWeight: 1000 }] }',
    );
    expect(documentOf(text).steps.filter((step) => 'setWeight' in step)).toEqual([
      { setWeight: 1 },
      { setWeight: 100 },
    ]);
    expect(lossesOf(argo('{ trafficRouting: { maxTrafficWeight: 1000 }, steps: [{ setWeight: 1001 }] }'))).toEqual([
      expect.stringMatching(/setWeight: 1001 \(expected: 0 to 1000\); left out$/),
    ]);
  });

  it('of two providers with one name: they are two, with what is asked of each', () => {
    const metric = (name: string, provider: string): string =>
      `{ name: ${name}, successCondition: result > 1, provider: { prometheus: ${provider} } }`;
    const text = `${argo('{ steps: [{ setWeight: 5 }, { analysis: { templates: [{ templateName: t }] } }] }')}---
kind: AnalysisTemplate
metadata: { name: t }
spec: { metrics: [${metric('one', "{ address: 'http://a.test', query: up }")}, ${metric('two', "{ address: 'http://b.test', query: up, timeout: 30, rangeQuery: { step: 1m } }")}] }
`;
    const { document, notes, losses } = imported(text);
    const [, step] = document?.steps ?? [];
    expect(step).toMatchObject({ analysis: { checks: [{ provider: 'prometheus' }, { provider: 'prometheus-2' }] } });
    expect(notes.filter((note) => note.includes('needs providers'))).toEqual([
      "the controller's file needs providers: prometheus (prometheus, address http://a.test)",
      "the controller's file needs providers: prometheus-2 (prometheus, address http://b.test)",
    ]);
    expect(losses.map(({ path }) => path.split('.').at(-1))).toEqual(['timeout', 'rangeQuery']);
  });

  it('of a canary whose analysis is skipped: that its weights rise all the same', () => {
    const text = 'kind: Canary\nmetadata: { name: r }\nspec: { skipAnalysis: true, analysis: { stepWeight: 50 } }\n';
    expect(lossesOf(text)).toEqual([
      expect.stringMatching(/^Canary\/r\.spec\.skipAnalysis: the weights rise, judged by /),
    ]);
  });

  it.each([
    [
      'Canary',
      '{ analysis: { stepWeight: 50, match: { headers: { x: { exact: y } } } } }',
      'analysis.match: an object',
    ],
    ['Canary', '{ analysis: { stepWeight: 50, webhooks: { name: a } } }', 'analysis.webhooks: an object'],
    ['Rollout', '{ strategy: { canary: { steps: [[{ setWeight: 5 }]] } } }', 'strategy.canary.steps[0]: a list'],
    ['Rollout', '{ strategy: { canary: { steps: { setWeight: 5 } } } }', 'strategy.canary.steps: an object'],
  ])('of a %s of another shape: what has it is told: %s', (kind, spec, told) => {
    const messages = lossesOf(`kind: ${kind}\nmetadata: { name: r }\nspec: ${spec}\n`);
    expect(messages).toContainEqual(expect.stringContaining(`${kind}/r.spec.${told} (expected: a`));
  });

  it('of rubbish: a loss for each, and nothing thrown', () => {
    for (const value of ['null', '7', '[]', '"x"', '{ a: 1 }', '[{ setWeight: x }]', '[[1]]']) {
      for (const text of [
        `kind: Rollout\nmetadata: { name: r }\nspec: { strategy: { canary: { steps: ${value}, analysis: ${value} } } }`,
        `kind: Rollout\nmetadata: { name: r }\nspec: { strategy: { blueGreen: ${value} } }`,
        `kind: Canary\nmetadata: { name: r }\nspec: { service: ${value}, analysis: { metrics: ${value}, webhooks: ${value}, match: ${value}, stepWeights: ${value}, alerts: ${value}, stepWeight: ${value} } }`,
      ]) {
        const { document, losses } = imported(text);
        expect(document !== undefined || losses.length > 0).toBe(true);
      }
    }
  });
});
