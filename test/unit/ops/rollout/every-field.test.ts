import { describe, expect, it } from 'vitest';
import { rolloutSchema } from '../../../../src/ops/rollout/rollout-schema';
import { validateRollout } from '../../../../src/ops/rollout/validate';
import { change, placesOf, WHOLE } from './whole-rollout';

/**
 * For each key, also behind the key that it stands in where it means two things: what it may not be, and what is then expected.
 * `[]`: an entry of the list.
 */
const NAME = 'a name of 1 to 64 letters, digits, _ . -';
const PROVIDER = 'the name (letters, digits, _ . -) of a provider in the configuration of the controller';
const HOOK = PROVIDER.replace('provider', 'hook');
const HOOKS = 'a list of names of hooks in the configuration of the controller';
const TEXT = 'a text that is not empty';
const QUOTED = 'a text; put it in quotes';
const MATCHER = 'a text or an object; put it in quotes';
const BAD: Readonly<Record<string, readonly [value: unknown, expected: string]>> = {
  $schema: [7, QUOTED],
  schema: [0, '1'],
  service: ['a/b', 'the name of a Consul service'],
  canary: ['a b', NAME],
  stable: ['a b', NAME],
  route: ['', TEXT],
  steps: [{}, 'a list'],
  'steps[]': [7, 'an object'],
  setWeight: [100.5, '<= 100'],
  pause: [7, 'an object'],
  durationMs: [0, '>= 1'],
  setRoute: [7, 'an object'],
  'setRoute.name': ['', TEXT],
  clearRoute: ['', TEXT],
  setMirror: [7, 'an object'],
  maxInFlight: [0, '>= 1'],
  timeoutMs: [0, '> 0'],
  compare: [7, 'true or false or an object'],
  ignore: ['x', 'a list; write [x]'],
  'ignore[]': ['a b', 'names of fields with dots between them, * for each item of a list'],
  match: [[], 'an object'],
  methods: [[], 'at least 1 of them'],
  'methods[]': ['Charge', '/package.Service/Method, or a prefix that ends in /'],
  labels: ['x', 'an object'],
  'labels.x-gray': [7, MATCHER],
  'labels.x-region': [7, MATCHER],
  any: [[], 'at least 1 of them'],
  'any[]': [7, 'an object'],
  sample: [7, 'an object'],
  from: [[], 'at least 1 of them'],
  'from[]': ['a b', 'a service name of letters, digits, -, _ and .'],
  by: ['', TEXT],
  percent: [101, '<= 100'],
  maxLoadFactor: [0, '> 0'],
  onSuccess: ['stay', 'one of keep, promote'],
  deployment: ['a b', PROVIDER.replace('provider', 'deployment')],
  analysis: [7, 'an object'],
  intervalMs: [99, '>= 100'],
  count: [0, '>= 1'],
  initialDelayMs: [-1, '>= 0'],
  minimumCalls: [0, '>= 1'],
  consecutiveErrorLimit: [-1, '>= 0'],
  inconclusiveLimit: [0.5, 'a whole number'],
  acceptance: ['yes', 'one of proven, unrefuted'],
  background: [1, 'true or false'],
  falseAlarmRate: [0, '> 0'],
  missRate: [0.6, '<= 0.5'],
  provider: [{ webhook: {} }, PROVIDER],
  checks: [Array(51).fill({ check: 'breaker-open' }), 'at most 50'],
  'checks[]': [7, 'an object'],
  check: ['latency', 'one of request-success-rate, request-duration, breaker-open, mirror-compare, value'],
  threshold: [100, '< 100'],
  minimum: [0, '> 0'],
  maximumMs: [0, '> 0'],
  maximum: [100, '< 100'],
  quantile: ['mean', 'one of p50, p95, p99'],
  factor: [0.5, '>= 1'],
  failureLimit: [-1, '>= 0'],
  name: ['a b', NAME],
  successCondition: ['result <', 'a number, result, canary or stable at its end'],
  failureCondition: ['', TEXT],
  query: [7, QUOTED],
  failureStatusCodes: [['UNAVAILABLE', 'UNAVAILABLE'], 'none given twice'],
  'failureStatusCodes[]': ['', expect.stringMatching(/^one of .*UNAVAILABLE/) as unknown as string],
  notify: [{ webhook: {} }, HOOKS],
  'notify[]': ['a b', HOOK],
  gate: ['a b', PROVIDER.replace('provider', 'gate')],
  approval: [7, 'an object'],
  note: ['', TEXT],
  gates: [[], 'at least 1 of them'],
  'gates[]': [7, 'an object'],
  when: ['later', 'one of before-step, before-promotion, at-rollback'],
  schedule: [7, 'an object'],
  timeZone: ['Mars/Olympus', 'a time zone that this machine knows, such as Europe/Berlin'],
  hours: [[], 'at least 1 of them'],
  'hours[]': [7, 'an object'],
  days: [[], 'at least 1 of them'],
  'days[]': ['monday', 'one of mon, tue, wed, thu, fri, sat, sun'],
  'hours.from': ['9:00', 'a time of the day, such as "09:00"; put it in quotes'],
  'hours.until': ['25:00', 'a time of the day, such as "09:00"; put it in quotes'],
  freeze: [[], 'at least 1 of them'],
  'freeze[]': [7, 'an object'],
  'freeze.from': ['2026-12-24', 'a time such as "2026-12-24T00:00:00Z"'],
  'freeze.until': ['soon', 'a time such as "2026-12-24T00:00:00Z"'],
  reason: ['', TEXT],
};

type Path = readonly (string | number)[];

function badAt(path: Path): readonly [value: unknown, expected: string] | undefined {
  if (path[0] === 'gates' && path[2] === 'steps') return path.length === 4 ? [0, '>= 1'] : [[], 'at least 1 of them'];
  if (path[0] === 'schedule' && typeof path[2] === 'number' && path.length === 4) {
    return BAD[`${path[1]}.${path[3]}`] ?? BAD[String(path[3])];
  }
  const [holder, last] = path.slice(-2).length === 2 ? path.slice(-2) : [undefined, path.at(-1)];
  return typeof last === 'number' ? BAD[`${holder}[]`] : (BAD[`${holder}.${last}`] ?? BAD[String(last)]);
}

/** As messages have it. */
function shown(path: Path): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    if (key.startsWith('$')) return `${text}["${key}"]`;
    return text === '' ? key : `${text}.${key}`;
  }, '');
}

interface SchemaPart {
  readonly properties?: Readonly<Record<string, SchemaPart>>;
  readonly items?: SchemaPart;
  readonly allOf?: readonly { readonly then: SchemaPart }[];
}

/** Every field that the published schema knows, `steps[].pause.durationMs`. */
function fieldsOf(part: SchemaPart, path: string): readonly string[] {
  return [
    ...Object.entries(part.properties ?? {}).flatMap(([key, inner]) => {
      const at = path === '' ? key : `${path}.${key}`;
      return [at, ...fieldsOf(inner, at)];
    }),
    ...(part.items === undefined ? [] : fieldsOf(part.items, `${path}[]`)),
    ...(part.allOf ?? []).flatMap((kind) => fieldsOf(kind.then, path)),
  ];
}

describe('every field of a rollout', () => {
  const places = placesOf(WHOLE);

  it('is there, in a document without a fault', () => {
    expect(validateRollout(WHOLE).problems).toEqual([]);
    const there = new Set(places.map((path) => path.join('.').replaceAll(/\.\d+(?=\.|$)/g, '[]')));
    const fields = new Set(fieldsOf(rolloutSchema as SchemaPart, ''));
    expect(fields.size).toBeGreaterThan(60);
    expect([...fields].filter((field) => !there.has(field))).toEqual([]);
  });

  it('is refused with its path and what was expected when it is something else', () => {
    for (const path of places) {
      const [value, expected] = badAt(path) ?? [undefined, undefined];
      expect(expected, `a row for ${shown(path)}`).toBeDefined();
      const { problems, document } = validateRollout(change(path, value));
      expect(document, shown(path)).toBeUndefined();
      const said = problems.filter((problem) => problem.path === shown(path)).map(({ message }) => message);
      const told = said.map((message) => / \(expected: (.*)\)$/.exec(message)?.[1]);
      expect(told, `${shown(path)}: ${JSON.stringify(problems)}`).toContainEqual(expected);
      for (const message of said) expect(message.startsWith(`${shown(path)}: `)).toBe(true);
    }
  });

  it('is refused when it is null, at that very path', () => {
    for (const path of places) {
      const paths = validateRollout(change(path, null)).problems.map((problem) => problem.path);
      expect(paths).toContain(shown(path));
    }
  });
});
