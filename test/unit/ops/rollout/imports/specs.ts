/** A file of another system, what it becomes, and what becomes of a healthy canary and of a bad one. */
export interface Spec {
  readonly name: string;
  readonly text: string;
  /** Weights that the rollout sets, and `resume` where a person is waited for. */
  readonly steps: readonly (number | string)[];
  /** Paths of the losses. */
  readonly losses: readonly string[];
  /** Gates that are asked, in order of their first time. */
  readonly gates?: readonly string[];
  /** What value checks yield when the canary is well, and when it is not. */
  readonly values?: Readonly<Record<string, readonly [good: number, bad: number]>>;
  /** Nothing judges it. Default false. */
  readonly isUnjudged?: true;
}

const metrics = (...more: readonly string[]): string =>
  [
    '{ name: request-success-rate, interval: 1m, thresholdRange: { min: 99 } }',
    '{ name: request-duration, interval: 1m, thresholdRange: { max: 500 } }',
    ...more,
  ].join(', ');

const canary = (analysis: string, more = ''): string => `
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: { name: podinfo, namespace: test }
spec:
  targetRef: { apiVersion: apps/v1, kind: Deployment, name: podinfo }
  service: { port: 9898 }
${more}  analysis:
${analysis}`;

const rollout = (strategy: string): string => `
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: { name: guestbook }
spec:
  replicas: 5
  selector: { matchLabels: { app: guestbook } }
  template: { metadata: { labels: { app: guestbook } } }
  strategy:
${strategy}`;

const SUCCESS_RATE = `
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: { name: success-rate }
spec:
  args: [{ name: service-name }, { name: limit, value: '0.95' }]
  metrics:
    - name: success-rate
      interval: 5m
      count: 3
      failureLimit: 1
      successCondition: result[0] >= {{args.limit}}
      provider:
        prometheus:
          address: http://prometheus.example:9090
          query: |
            sum(rate(requests_total{service="{{args.service-name}}",code!~"5.*"}[5m]))
            / sum(rate(requests_total{service="{{args.service-name}}"}[5m]))
`;

export const SPECS: readonly Spec[] = [
  {
    name: 'Flagger: weights in equal steps, an acceptance test before and a load test beside',
    text: canary(
      `    interval: 1m
    threshold: 5
    maxWeight: 50
    stepWeight: 10
    metrics: [${metrics()}]
    webhooks:
      - { name: acceptance-test, type: pre-rollout, url: 'http://tester.test/', timeout: 30s, metadata: { type: bash } }
      - { name: load-test, url: 'http://tester.test/', timeout: 5s }
`,
      '  progressDeadlineSeconds: 60\n  autoscalerRef: { kind: HorizontalPodAutoscaler, name: podinfo }\n',
    ),
    steps: [10, 20, 30, 40, 50],
    losses: ['Canary/podinfo.spec.progressDeadlineSeconds', 'Canary/podinfo.spec.autoscalerRef'],
    gates: ['acceptance-test', 'load-test'],
  },
  {
    name: 'Flagger: weights in a list',
    text: canary(`    interval: 30s\n    stepWeights: [1, 2, 10, 80]\n    metrics: [${metrics()}]\n`),
    steps: [1, 2, 10, 80],
    losses: [],
  },
  {
    name: 'Flagger: A/B, by headers and cookies',
    text: canary(`    interval: 1m
    iterations: 10
    match:
      - headers: { x-canary: { regex: '.*insider.*' } }
      - headers: { cookie: { regex: '^(.*?;)?(canary=always)(;.*)?$' } }
      - headers: { x-user: { exact: me } }
        sourceLabels: { app: web }
    metrics: [${metrics()}]
`),
    steps: ['route', 100],
    losses: ['Canary/podinfo.spec.analysis.match[2].sourceLabels'],
  },
  {
    name: 'Flagger: blue and green, with copies',
    text: canary(
      `    interval: 1m\n    threshold: 2\n    iterations: 10\n    mirror: true\n    metrics: [${metrics()}]\n`,
    ),
    steps: ['copies', 'no copies', 100],
    losses: ['Canary/podinfo.spec.analysis.mirror', 'Canary/podinfo.spec.analysis.iterations'],
  },
  {
    name: 'Flagger: a metric of its own, and one of a system that is not there',
    text: `${canary(`    interval: 1m
    threshold: 3
    stepWeight: 25
    maxWeight: 50
    metrics:
      - { name: error-percentage, templateRef: { name: errors }, thresholdRange: { max: 1 }, interval: 1m }
      - { name: apdex, templateRef: { name: apdex }, thresholdRange: { min: 0.9 } }
`)}
---
kind: MetricTemplate
metadata: { name: errors, namespace: test }
spec:
  provider: { type: prometheus, address: 'http://prometheus.example:9090' }
  query: |
    100 - sum(rate(requests_total{namespace="{{ namespace }}",workload="{{ target }}",code!~"5.*"}[{{ interval }}]))
    / sum(rate(requests_total{namespace="{{ namespace }}",workload="{{ target }}"}[{{ interval }}])) * 100
---
kind: MetricTemplate
metadata: { name: apdex, namespace: test }
spec:
  provider: { type: newrelic, secretRef: { name: newrelic } }
  query: SELECT apdex(duration) FROM Transaction
`,
    steps: [25, 50],
    losses: ['Canary/podinfo.spec.analysis.metrics[1].templateRef'],
    values: { 'error-percentage': [0.2, 7] },
  },
  {
    name: 'Flagger: gates, a way back and alerts',
    text: `${canary(`    interval: 1m
    stepWeight: 50
    maxWeight: 50
    metrics: [${metrics()}]
    alerts: [{ name: on-call, severity: error, providerRef: { name: slack, namespace: flagger } }]
    webhooks:
      - { name: start, type: confirm-rollout, url: 'http://tester.test/gate/check' }
      - { name: more, type: confirm-traffic-increase, url: 'http://tester.test/gate/check' }
      - { name: promotion, type: confirm-promotion, url: 'http://tester.test/gate/check' }
      - { name: back, type: rollback, url: 'http://tester.test/rollback/check' }
      - { name: told, type: event, url: 'http://tester.test/events' }
      - { name: odd, type: midnight, url: 'http://tester.test/' }
`)}
---
kind: AlertProvider
metadata: { name: slack, namespace: flagger }
spec: { type: slack, channel: on-call }
`,
    steps: [50],
    losses: ['Canary/podinfo.spec.analysis.webhooks[5].type', 'Canary/podinfo.spec.analysis.alerts[0].severity'],
    gates: ['start', 'more', 'promotion'],
    values: { back: [0, 1] },
  },
  {
    name: 'Argo: weights and pauses',
    text: rollout(`    canary:
      maxSurge: 25%
      steps:
        - setWeight: 20
        - pause: {}
        - setWeight: 40
        - pause: { duration: 10 }
        - setWeight: 60
        - pause: { duration: 10m }
        - setWeight: 80
        - pause:
            duration: '10'
`),
    steps: [20, 'resume', 40, 60, 80],
    losses: ['Rollout/guestbook.spec.strategy.canary.maxSurge'],
    isUnjudged: true,
  },
  {
    name: 'Argo: testers first, and an analysis between the weights',
    text: `${rollout(`    canary:
      canaryService: guestbook-canary
      stableService: guestbook-stable
      trafficRouting: { managedRoutes: [{ name: testers }], istio: { virtualService: { name: guestbook } } }
      steps:
        - setHeaderRoute: { name: testers, match: [{ headerName: X-Gray, headerValue: { exact: canary } }] }
        - setWeight: 5
        - analysis:
            templates: [{ templateName: success-rate }]
            args: [{ name: service-name, value: guestbook-canary.default.svc }]
        - setHeaderRoute: { name: testers }
        - setWeight: 100
`)}${SUCCESS_RATE}`,
    steps: ['route', 5, 'route ends', 100],
    losses: [],
    values: { 'success-rate': [0.99, 0.5] },
  },
  {
    name: 'Argo: an analysis beside all steps, begun at the second weight',
    text: `${rollout(`    canary:
      analysis:
        startingStep: 2
        templates: [{ templateName: success-rate }]
        args: [{ name: service-name, value: guestbook }]
      steps: [{ setWeight: 10 }, { pause: { duration: 5m } }, { setWeight: 50 }, { pause: { duration: 1h } }]
`)}${SUCCESS_RATE}`,
    steps: [10, 50],
    losses: ['Rollout/guestbook.spec.strategy.canary.analysis'],
    values: { 'success-rate': [0.99, 0.5] },
  },
  {
    name: 'Argo: blue and green, promoted by a person',
    text: `${rollout(`    blueGreen:
      activeService: active
      previewService: preview
      autoPromotionEnabled: false
      scaleDownDelaySeconds: 30
      prePromotionAnalysis:
        templates: [{ templateName: success-rate }]
        args: [{ name: service-name, value: preview.default.svc }]
      postPromotionAnalysis: { templates: [{ templateName: smoke }] }
`)}${SUCCESS_RATE}`,
    steps: ['resume', 100],
    losses: [
      'Rollout/guestbook.spec.strategy.blueGreen.previewService',
      'Rollout/guestbook.spec.strategy.blueGreen.scaleDownDelaySeconds',
      'Rollout/guestbook.spec.strategy.blueGreen.postPromotionAnalysis',
      'Rollout/guestbook.spec.strategy.blueGreen.postPromotionAnalysis',
    ],
    values: { 'success-rate': [0.99, 0.5] },
  },
  {
    name: 'Argo: a job, an answer of the web, and a metric with an argument of a pod',
    text: `${rollout(`    canary:
      steps:
        - setWeight: 50
        - analysis:
            templates: [{ templateName: several }]
            args: [{ name: hash, valueFrom: { podTemplateHashValue: Latest } }]
`)}
---
kind: ClusterAnalysisTemplate
metadata: { name: several }
spec:
  args: [{ name: hash }]
  metrics:
    - name: end-to-end
      provider: { job: { spec: { template: {} } } }
    - name: score
      interval: 20s
      count: 2
      failureCondition: result < 80
      provider: { web: { url: 'http://scores.example/guestbook', jsonPath: '{$.score}' } }
    - name: by-hash
      successCondition: result[0] < 1
      provider: { prometheus: { query: 'errors{hash="{{args.hash}}"}' } }
    - name: strange
      successCondition: 'len(result) == 0 || result[0] < 1'
      provider: { prometheus: { query: up } }
`,
    steps: [50],
    losses: [
      'ClusterAnalysisTemplate/several.spec.metrics[2].provider.prometheus.query',
      'ClusterAnalysisTemplate/several.spec.metrics[3].successCondition',
    ],
    gates: ['end-to-end'],
    values: { score: [95, 20] },
  },
  {
    name: 'Argo: steps that scale, try out and plug in',
    text: rollout(`    canary:
      steps:
        - setCanaryScale: { weight: 25 }
        - experiment: { duration: 5m, templates: [] }
        - plugin: { name: example/step }
        - setMirrorRoute: { name: mirror, percentage: 100 }
        - setWeight: 30
        - pause: { duration: 1m30s }
        - setWeight: 110
`),
    steps: ['copies', 30],
    losses: [
      'Rollout/guestbook.spec.strategy.canary.steps[0].setCanaryScale',
      'Rollout/guestbook.spec.strategy.canary.steps[1].experiment',
      'Rollout/guestbook.spec.strategy.canary.steps[2].plugin',
      'Rollout/guestbook.spec.strategy.canary.steps[6].setWeight',
    ],
    isUnjudged: true,
  },
];
