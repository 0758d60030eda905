import { describe, expect, it } from 'vitest';
import { validatePolicy } from '../../../src/policy/validate';

const SOUND = {
  schema: 1,
  service: 'payments',
  subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
  default: 'stable',
  routes: [
    {
      name: 'everyone',
      split: [
        { to: 'stable', weight: 95 },
        { to: 'canary', weight: 5 },
      ],
      stickBy: 'x-user-id',
    },
  ],
};

const problemsOf = (document: unknown): readonly string[] =>
  validatePolicy(document, { service: 'payments' }).problems.map((problem) => problem.message);
const warningsOf = (document: unknown): readonly string[] =>
  validatePolicy(document, { service: 'payments' }).warnings.map((problem) => problem.message);
const withRoute = (route: object): object => ({ ...SOUND, routes: [{ name: 'r', to: 'stable', ...route }] });
const withMatcher = (matcher: unknown): object => withRoute({ match: { labels: { 'x-a': matcher } } });
const guarded = (guard: unknown): object => ({
  ...SOUND,
  subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable', guard } },
});
const withSplit = (...split: unknown[]): object => ({ ...SOUND, routes: [{ name: 'r', split }] });

describe('validatePolicy', () => {
  it('passes a sound document', () => {
    expect(validatePolicy(SOUND, { service: 'payments' })).toMatchObject({ problems: [], warnings: [] });
  });

  it('collects every problem, structure and meaning alike', () => {
    const document = {
      ...SOUND,
      defualt: 1,
      routes: [
        { name: 'a', to: 'canray', timeoutMs: 0 },
        { name: 'a', split: [{ to: 'stable', weight: -1 }] },
      ],
    };
    expect(problemsOf(document)).toEqual([
      'defualt: 1 (expected: a known key; did you mean default?)',
      'routes[0].timeoutMs: 0 (expected: > 0)',
      'routes[1].split[0].weight: -1 (expected: >= 0)',
      'routes[0].to: "canray" (expected: one of stable, canary; did you mean canary?)',
      'routes[1].name: "a" (expected: a name of its own; routes[0] has this one)',
    ]);
  });

  const ring = { algorithm: 'ring_hash' };
  const override = { to: 'stable', until: '2026-12-01T10:00:00Z' };
  it.each<[string, unknown, string]>([
    ['null', null, 'policy: null (expected: a policy document)'],
    ['undefined', undefined, 'policy: missing (expected: a policy document)'],
    ['blank', '', 'policy: blank (expected: a policy document)'],
    ['a list', [], 'policy: [] (expected: an object)'],
    ['a number', 7, 'policy: 7 (expected: an object)'],
    [
      'a number as text',
      withSplit({ to: 'stable', weight: '25' }),
      'routes[0].split[0].weight: "25" (expected: a number; write 25)',
    ],
    [
      'percent',
      withSplit({ to: 'stable', weight: '25%' }),
      'routes[0].split[0].weight: "25%" (expected: a number; write 25)',
    ],
    [
      'a time with its unit',
      { ...SOUND, timeoutMs: '800ms' },
      'timeoutMs: "800ms" (expected: a number; in milliseconds 800)',
    ],
    ['seconds', { ...SOUND, timeoutMs: '2s' }, 'timeoutMs: "2s" (expected: a number; in milliseconds 2000)'],
    ['words for a number', { ...SOUND, timeoutMs: 'soon' }, 'timeoutMs: "soon" (expected: a number)'],
    [
      'one for a list',
      { ...SOUND, locality: { failover: 'dc2' } },
      'locality.failover: "dc2" (expected: a list; write [dc2])',
    ],
    ['a Date', new Date(0), 'policy: a Date (expected: plain data)'],
    [
      'a function',
      withMatcher({ exact: () => 'x' }),
      'routes[0].match.labels.x-a.exact: a Function (expected: plain data)',
    ],
    ['a bigint', { ...SOUND, timeoutMs: 5n }, 'timeoutMs: a BigInt (expected: plain data)'],
    ['no schema', { service: 'payments' }, 'schema: missing (expected: 1)'],
    ['schema as text', { ...SOUND, schema: '1' }, 'schema: "1" (expected: 1)'],
    ['no service', { schema: 1 }, 'service: missing (expected: a service name of letters, digits, -, _ and .)'],
    [
      'another service',
      { ...SOUND, service: 'orders' },
      'service: "orders" (expected: payments, whose policy this is read as)',
    ],
    ['minSdk that is none', { ...SOUND, minSdk: 'v1' }, 'minSdk: "v1" (expected: a version as major.minor.patch)'],
    [
      'two subsets, no default',
      { ...SOUND, default: undefined },
      'default: missing (expected: one of stable, canary: where calls go that no route matches)',
    ],
    ['unknown default', { ...SOUND, default: 'blue' }, 'default: "blue" (expected: one of stable, canary)'],
    [
      'subset without subsets',
      { schema: 1, service: 'payments', default: 'stable' },
      'default: "stable" (expected: a name under subsets, which has none)',
    ],
    [
      'a bad subset name',
      { ...SOUND, subsets: { ...SOUND.subsets, 'a b': {} } },
      'subsets["a b"]: this name (expected: a name of 1 to 64 letters, digits, _ . -)',
    ],
    [
      'unknown fallback',
      { ...SOUND, subsets: { stable: { fallback: 'x' } } },
      'subsets.stable.fallback: "x" (expected: one of stable)',
    ],
    [
      'a fallback to itself',
      { ...SOUND, subsets: { stable: { fallback: 'stable' } } },
      'subsets.stable.fallback: stable -> stable (expected: fallbacks that end)',
    ],
    [
      'neither to nor split',
      { ...SOUND, routes: [{ name: 'r' }] },
      'routes[0]: neither to nor split (expected: exactly one of them)',
    ],
    [
      'both to and split',
      withRoute({ split: [{ to: 'stable', weight: 1 }] }),
      'routes[0]: both to and split (expected: exactly one of them)',
    ],
    [
      'a failover to what is no name of a datacenter',
      { ...SOUND, locality: { failover: ['peer cloud'] } },
      'locality.failover[0]: "peer cloud" (expected: the name of a datacenter, or { peer: NAME })',
    ],
    [
      'a failover to a peer without a name',
      { ...SOUND, locality: { failover: [{}] } },
      'locality.failover[0].peer: missing (expected: the name of a cluster peer: letters, digits and -)',
    ],
    [
      'a failover to a peer of another name',
      { ...SOUND, locality: { failover: ['dc2', { peer: 'a b' }] } },
      'locality.failover[1].peer: "a b" (expected: the name of a cluster peer: letters, digits and -)',
    ],
    [
      'a failover to a peer twice',
      { ...SOUND, locality: { failover: [{ peer: 'a' }, { peer: 'a' }] } },
      'locality.failover: [{"peer":"a"},{"peer":"a"}] (expected: none given twice)',
    ],
    [
      'a failover to a peer in a datacenter',
      { ...SOUND, locality: { failover: [{ peer: 'a', datacenter: 'dc1' }] } },
      'locality.failover[0].datacenter: "dc1" (expected: a known key: peer)',
    ],
    [
      'a port by number',
      { ...SOUND, subsets: { ...SOUND.subsets, stable: { port: 8080 } } },
      'subsets.stable.port: 8080 (expected: a text; put it in quotes)',
    ],
    [
      'a port of no name',
      { ...SOUND, subsets: { ...SOUND.subsets, stable: { port: 'a b' } } },
      'subsets.stable.port: "a b" (expected: the name of a port: letters, digits, _, . and -)',
    ],
    ['an empty split', withSplit(), 'routes[0].split: [] (expected: at least 1 of them)'],
    ['NaN', withSplit({ to: 'stable', weight: Number.NaN }), 'routes[0].split[0].weight: NaN (expected: a number)'],
    [
      'Infinity',
      withSplit({ to: 'stable', weight: Number.POSITIVE_INFINITY }),
      'routes[0].split[0].weight: Infinity (expected: a number)',
    ],
    ['a negative weight', withSplit({ to: 'stable', weight: -1 }), 'routes[0].split[0].weight: -1 (expected: >= 0)'],
    [
      'weights as text',
      withSplit({ to: 'stable', weight: '5' }),
      'routes[0].split[0].weight: "5" (expected: a number; write 5)',
    ],
    [
      'weights all 0',
      withSplit({ to: 'stable', weight: 0 }, { to: 'canary', weight: 0 }),
      'routes[0].split: all weights 0 (expected: at least one weight > 0)',
    ],
    [
      'a subset twice in a split',
      withSplit({ to: 'stable', weight: 1 }, { to: 'stable', weight: 1 }),
      'routes[0].split[1].to: "stable" (expected: each subset once in a split)',
    ],
    [
      'unknown subset in a split',
      withSplit({ to: 'prod', weight: 1 }),
      'routes[0].split[0].to: "prod" (expected: one of stable, canary)',
    ],
    [
      'a method without slash',
      withRoute({ match: { methods: ['Charge'] } }),
      'routes[0].match.methods[0]: "Charge" (expected: /package.Service/Method, or a prefix that ends in /)',
    ],
    [
      'a label key of the protocol',
      withRoute({ match: { labels: { 'grpc-timeout': 'x' } } }),
      'routes[0].match.labels.grpc-timeout: this key (expected: a key of your own; grpc- belongs to the protocol)',
    ],
    [
      'a binary label key',
      withRoute({ match: { any: [{ labels: { 'X-BIN': 'x', 'trace-Bin': 'x' } }] } }),
      'routes[0].match.any[0].labels.trace-Bin: this key (expected: a key of text; binary metadata (-bin) is not routed by)',
    ],
    [
      'credentials as label',
      withRoute({ match: { sample: { by: 'Authorization', percent: 1 } } }),
      'routes[0].match.sample.by: "Authorization" (expected: a key that holds no credentials)',
    ],
    [
      'cookies as label',
      withRoute({ stickBy: 'cookie' }),
      'routes[0].stickBy: "cookie" (expected: a key that holds no credentials; cookie:name is one cookie)',
    ],
    [
      'a cookie without a name',
      withRoute({ match: { labels: { 'cookie:': 'a' } } }),
      'routes[0].match.labels["cookie:"]: this key (expected: cookie: and the name of a cookie)',
    ],
    [
      'an illegal label key',
      withRoute({ match: { labels: { 'x y': 'x' } } }),
      'routes[0].match.labels["x y"]: this key (expected: a metadata key: letters, digits, _ . -)',
    ],
    [
      'a label key twice',
      withRoute({ match: { labels: { 'x-a': 'x', 'X-A': 'y' } } }),
      'routes[0].match.labels.X-A: given twice (expected: each key once, whatever its case)',
    ],
    [
      'a matcher of another type',
      withMatcher(true),
      'routes[0].match.labels.x-a: true (expected: a text or an object; put it in quotes)',
    ],
    [
      'a matcher without condition',
      withMatcher({ ignoreCase: true }),
      'routes[0].match.labels.x-a: {"ignoreCase":true} (expected: a condition, such as exact, prefix, in or present)',
    ],
    [
      'an unknown condition',
      withMatcher({ prefx: 'a' }),
      'routes[0].match.labels.x-a.prefx: "a" (expected: a known key; did you mean prefix?)',
    ],
    [
      'a range that is upside down',
      withMatcher({ range: [5, 5] }),
      'routes[0].match.labels.x-a.range: [5,5] (expected: [from, to) with from < to)',
    ],
    [
      'a range of three',
      withMatcher({ range: [1, 2, 3] }),
      'routes[0].match.labels.x-a.range: 3 entries (expected: at most 2)',
    ],
    [
      'a version in place of a range',
      withMatcher({ version: '16.2' }),
      'routes[0].match.labels.x-a.version: "16.2" (expected: a range such as >=16.2 <18, ^2.1 or 16.x; = for one version)',
    ],
    [
      'a range of versions with a comma, within not',
      withMatcher({ not: { version: '>=16,<18' } }),
      'routes[0].match.labels.x-a.not.version: ">=16,<18" (expected: a range such as >=16.2 <18, ^2.1 or 16.x; = for one version)',
    ],
    [
      'a list whose name is a path',
      withMatcher({ list: '../vip' }),
      'routes[0].match.labels.x-a.list: "../vip" (expected: the name of a list, or several: letters, digits, _, . and -)',
    ],
    [
      'a bad name among several lists, within not',
      withMatcher({ not: { list: ['vip', ''] } }),
      'routes[0].match.labels.x-a.not.list[1]: "" (expected: the name of a list: letters, digits, _, . and -)',
    ],
    [
      'more lists than a policy may name',
      {
        routes: Array.from({ length: 21 }, (_, at) => ({
          name: `r${at}`,
          match: { labels: { a: { list: `l${at}` } } },
          to: 'stable',
        })),
      },
      'routes: 21 lists (expected: at most 20 lists)',
    ],
    [
      'a bad cidr',
      withMatcher({ cidr: '10.0.0.0/33' }),
      'routes[0].match.labels.x-a.cidr: "10.0.0.0/33" (expected: a block such as 10.0.0.0/8 or 2001:db8::/32)',
    ],
    [
      'a bad cidr within not',
      withMatcher({ not: { cidr: ['::/129'] } }),
      'routes[0].match.labels.x-a.not.cidr[0]: "::/129" (expected: a block such as 10.0.0.0/8 or 2001:db8::/32)',
    ],
    [
      'a lookahead',
      withMatcher({ regex: 'a(?=b)' }),
      'routes[0].match.labels.x-a.regex: "a(?=b)" (expected: RE2 syntax, which has no lookahead and no lookbehind)',
    ],
    [
      'a lookbehind',
      withMatcher({ regex: '(?<!b)a' }),
      'routes[0].match.labels.x-a.regex: "(?<!b)a" (expected: RE2 syntax, which has no lookahead and no lookbehind)',
    ],
    [
      'a backreference',
      withMatcher({ regex: '(a)\\1' }),
      'routes[0].match.labels.x-a.regex: "(a)\\\\1" (expected: RE2 syntax, which has no backreferences)',
    ],
    [
      'a sample over 100',
      withRoute({ match: { sample: { by: 'x-u', percent: 101 } } }),
      'routes[0].match.sample.percent: 101 (expected: <= 100)',
    ],
    [
      'a sample too fine',
      withRoute({ match: { sample: { by: 'x-u', percent: 0.001 } } }),
      'routes[0].match.sample.percent: 0.001 (expected: 0 to 100 in steps of 0.01)',
    ],
    ['one attempt', { ...SOUND, retry: { maxAttempts: 1 } }, 'retry.maxAttempts: 1 (expected: >= 2)'],
    ['six attempts', withRoute({ retry: { maxAttempts: 6 } }), 'routes[0].retry.maxAttempts: 6 (expected: <= 5)'],
    ['retry: on', { ...SOUND, retry: 'on' }, 'retry: "on" (expected: off)'],
    [
      'OK as retryable',
      { ...SOUND, retry: { retryableStatusCodes: ['OK'] } },
      'retry.retryableStatusCodes[0]: "OK" (expected: one of CANCELLED, UNKNOWN,',
    ],
    [
      'backoff upside down',
      { ...SOUND, retry: { initialBackoffMs: 9, maxBackoffMs: 5 } },
      'retry.maxBackoffMs: 5 (expected: >= initialBackoffMs, which is 9)',
    ],
    ['a misspelt algorithm', { ...SOUND, balancing: { algorithm: 'ring_hsh' } }, 'did you mean ring_hash?'],
    [
      'ring_hash without label',
      { ...SOUND, balancing: ring },
      'balancing.hashBy: missing (expected: the label that places a call on the ring)',
    ],
    [
      'hashBy without ring_hash',
      { ...SOUND, balancing: { hashBy: 'x-u' } },
      'balancing.hashBy: "x-u" (expected: nothing, or algorithm: ring_hash)',
    ],
    [
      'a cap on a fallback of 0 %',
      { ...SOUND, subsets: { stable: { fallback: 'canary', fallbackMaxPercentage: 0 }, canary: {} } },
      'subsets.stable.fallbackMaxPercentage: 0 (expected: >= 1)',
    ],
    [
      'a cap on a fallback that is not there',
      { ...SOUND, subsets: { stable: {}, canary: { fallbackMaxPercentage: 25 } } },
      'subsets.canary.fallbackMaxPercentage: 25 (expected: nothing, or a fallback beside it)',
    ],
    [
      'a guard without a fallback',
      { ...SOUND, subsets: { stable: {}, canary: { guard: { against: 'stable' } } } },
      'subsets.canary.guard: without a fallback (expected: nothing, or a fallback beside it that takes the calls)',
    ],
    [
      'a guard against a subset that is not there',
      guarded({ against: 'stabel' }),
      'subsets.canary.guard.against: "stabel" (expected: one of stable, canary; did you mean stable?)',
    ],
    [
      'a guard against itself',
      guarded({ against: 'canary' }),
      'subsets.canary.guard.against: "canary" (expected: another subset)',
    ],
    ['a guard that judges by nothing', guarded({ minimumCalls: 0 }), 'guard.minimumCalls: 0 (expected: >= 1)'],
    [
      'a guard that allows more than all',
      guarded({ maxExcessFailurePercentage: 101 }),
      'guard.maxExcessFailurePercentage: 101 (expected: <= 100)',
    ],
    ['a guard that wants it faster', guarded({ maxLatencyFactor: 1 }), 'guard.maxLatencyFactor: 1 (expected: > 1)'],
    ['a guard of half a second', guarded({ windowMs: 500 }), 'guard.windowMs: 500 (expected: >= 1000)'],
    ['a guard that flaps', guarded({ holdMs: 10 }), 'guard.holdMs: 10 (expected: >= 1000)'],
    [
      'a guard whose bounds are upside down',
      guarded({ holdMs: 9_000, maxHoldMs: 8_000 }),
      'subsets.canary.guard.maxHoldMs: 8000 (expected: >= holdMs, which is 9000)',
    ],
    ['a guard that is no object', guarded('on'), 'subsets.canary.guard: "on" (expected: an object)'],
    [
      "Envoy's success rate",
      guarded({ successRateStdevFactor: 1900 }),
      'here guard on a subset: { maxExcessFailurePercentage }, against another subset',
    ],
    [
      "a guard's key beside it",
      { ...SOUND, subsets: { stable: {}, canary: { fallback: 'stable', maxLatencyFactor: 2 } } },
      'maxLatencyFactor stands inside guard',
    ],
    [
      'a threshold of 0 %',
      { ...SOUND, breaker: { errorThresholdPercentage: 0 } },
      'breaker.errorThresholdPercentage: 0 (expected: >= 1)',
    ],
    [
      'an override to nowhere',
      { ...SOUND, override: { until: override.until } },
      'override: neither to nor datacenter (expected: one of them, or both)',
    ],
    [
      'an override to an unknown subset',
      { ...SOUND, override: { ...override, to: 'x' } },
      'override.to: "x" (expected: one of stable, canary)',
    ],
    ['an override without end', { ...SOUND, override: { to: 'stable' } }, 'override.until: missing (expected: a text)'],
    [
      'an end that is no day',
      { ...SOUND, override: { ...override, until: '2026-02-30T00:00:00Z' } },
      'override.until: "2026-02-30T00:00:00Z" (expected: a time as RFC 3339',
    ],
    [
      'an end without zone',
      { ...SOUND, override: { ...override, until: '2026-02-20T00:00:00' } },
      'override.until: "2026-02-20T00:00:00" (expected: a time as RFC 3339',
    ],
    ['an unknown key', { ...SOUND, wobble: 1 }, 'wobble: 1 (expected: a known key: schema, service, minSdk,'],
    ['an inherited name as key', { ...SOUND, constructor: 1 }, 'constructor: 1 (expected: a known key'],
    [
      '__proto__ as key',
      JSON.parse('{"schema":1,"service":"payments","__proto__":{"default":"x"}}'),
      '__proto__: {"default":"x"} (expected: a known key',
    ],
  ])('refuses %s', (_, document, message) => {
    expect(problemsOf(document).join('\n')).toContain(message);
  });

  it('refuses a regular expression that is too long, once', () => {
    expect(problemsOf(withMatcher({ regex: 'a'.repeat(257) }))).toEqual([
      expect.stringMatching(/^routes\[0\]\.match\.labels\.x-a\.regex: "a+\.\.\. \(expected: at most 256 characters\)$/),
    ]);
  });

  it('refuses a regular expression whose repetitions multiply', () => {
    expect(problemsOf(withMatcher({ regex: '((a?){30}){30}' }))[0]).toContain('at most 500 instructions');
  });

  it('refuses more than 1,000 routes, and takes 1,000', () => {
    const routes = (count: number): object[] =>
      Array.from({ length: count }, (_, index) => ({
        name: `r${index}`,
        match: { labels: { 'x-a': `${index}` } },
        to: 'stable',
      }));
    expect(problemsOf({ ...SOUND, routes: routes(1_001) })).toEqual(['routes: 1001 entries (expected: at most 1000)']);
    expect(validatePolicy({ ...SOUND, routes: routes(1_000) }, { service: 'payments' })).toMatchObject({
      problems: [],
      warnings: [],
    });
  });

  it('refuses what is nested deeper than 16, cycles among it', () => {
    let matcher: unknown = 'a';
    for (let level = 0; level < 12; level += 1) matcher = { not: matcher };
    expect(problemsOf(withMatcher(matcher))[0]).toContain('nested deeper (expected: at most 16 levels)');
    const cycle: Record<string, unknown> = { ...SOUND };
    cycle['routes'] = [cycle];
    expect(problemsOf(cycle)[0]).toContain('nested deeper (expected: at most 16 levels)');
  });

  it('refuses an object that would be more than 256 KiB of JSON', () => {
    const tags = Array.from({ length: 30_000 }, (_, index) => `tag-${index}`);
    expect(problemsOf({ ...SOUND, subsets: { stable: { tags }, canary: {} } })[0]).toMatch(
      /bytes as JSON \(expected: at most 262144 bytes\)/,
    );
  });

  it('refuses an object that cannot be read', () => {
    const hostile = Object.defineProperty({ ...SOUND }, 'routes', {
      enumerable: true,
      get: () => {
        throw new Error('no');
      },
    });
    expect(problemsOf(hostile)).toEqual(['policy: unreadable (expected: plain data; no)']);
  });

  it('tells each fallback cycle once', () => {
    const subsets = { a: { fallback: 'b' }, b: { fallback: 'c' }, c: { fallback: 'b' }, d: { fallback: 'a' } };
    expect(problemsOf({ schema: 1, service: 'payments', subsets, default: 'a' })).toEqual([
      'subsets.b.fallback: b -> c -> b (expected: fallbacks that end)',
    ]);
  });

  it('says of a later format only that it is later', () => {
    expect(problemsOf({ ...SOUND, schema: 2, novelty: true })).toEqual([
      'schema: 2 (expected: 1; this one is written for a newer version of graylane)',
    ]);
    expect(problemsOf({ ...SOUND, minSdk: '99.0.0', novelty: true })).toEqual([
      expect.stringMatching(/^minSdk: "99\.0\.0" \(expected: at most .*written for a newer version of graylane\)$/),
    ]);
    expect(problemsOf({ ...SOUND, minSdk: '0.0.1' })).toEqual([]);
  });

  it.each([
    [
      { retry: { numRetries: 3 } },
      'retry.numRetries: 3 (expected: a known key; here maxAttempts, which counts the first try)',
    ],
    [{ retry: { attempts: 3 } }, 'here maxAttempts, which counts the first try'],
    [{ retry: { retry_on: '5xx' } }, 'here retry.retryableStatusCodes'],
    [{ timeout: '3s' }, 'here timeoutMs, in milliseconds'],
    [{ maxAttempts: 3 }, 'maxAttempts stands inside retry'],
    [{ labels: { 'x-a': 'b' } }, 'labels stands inside match'],
    [{ match: { path: { prefix: '/' } } }, 'here methods: [/package.Service/Method]'],
    [{ match: { headers: [] } }, 'here labels: a key of the call metadata'],
    [{ match: { exact: 'a' } }, 'a matcher stands under a label'],
    [{ match: { method: ['/a/b'] } }, 'did you mean methods?'],
    [{ destination: { subset: 'canary' } }, 'here to: the name of a subset'],
    [{ serviceSubset: 'canary' }, 'here to: the name of a subset'],
    [{ weights: {} }, 'here split: [{ to, weight }]'],
  ])('answers people who come from elsewhere: %j', (route, answer) => {
    expect(problemsOf(withRoute(route)).join('\n')).toContain(answer);
  });

  it.each([
    [{ trafficPolicy: {} }, 'here balancing, breaker and locality'],
    [{ outlierDetection: {} }, 'here breaker'],
    [{ breaker: { consecutive5xxErrors: 3 } }, 'here breaker.consecutiveFailures'],
    [{ breaker: { baseEjectionTime: '30s' } }, 'here breaker.resetTimeoutMs'],
    [{ canary: { weight: 5 } }, 'a canary is a subset'],
    [{ routes: [{ name: 'a', split: [{ subset: 'stable', weights: 1 }] }] }, 'did you mean weight?'],
  ])('answers people who come from elsewhere: %j', (part, answer) => {
    expect(problemsOf({ ...SOUND, ...part }).join('\n')).toContain(answer);
  });

  it('warns of routes that are never reached', () => {
    const to = 'stable';
    const routes = [
      { name: 'service', match: { methods: ['/a.B/'], labels: { 'x-a': 'b' } }, to },
      { name: 'narrower', match: { methods: ['/a.B/C'], labels: { 'X-A': 'b', 'x-c': 'd' } }, to },
      { name: 'other', match: { methods: ['/a.C/C'], labels: { 'x-a': 'b' } }, to },
      { name: 'sampled', match: { sample: { by: 'x-u', percent: 50 } }, to },
      { name: 'sampled apart', match: { sample: { by: 'x-u', percent: 50 } }, to },
      { name: 'all', match: {}, to },
      { name: 'late', match: { labels: { 'x-z': 'z' } }, to },
    ];
    expect(warningsOf({ ...SOUND, routes })).toEqual([
      'routes[1]: never reached (expected: calls that the route service leaves over)',
      'routes[6]: never reached (expected: calls that the route all leaves over)',
    ]);
  });

  it('warns of a subset that takes every instance beside others', () => {
    const subsets = { stable: {}, canary: { tags: ['canary'] } };
    expect(warningsOf({ schema: 1, service: 'payments', subsets, default: 'stable' })).toEqual([
      'subsets.stable: every instance (expected: tags, meta or a filter that tell it apart)',
    ]);
    expect(warningsOf({ schema: 1, service: 'payments', subsets: { all: {} } })).toEqual([]);
  });
});
