import { DATACENTER_NAME, PEER_NAME, PORT_NAME, SERVICE_NAME } from '../base/names';
import { STATUS_NAMES } from '../base/status-names';
import { namedFault, routeFault } from './fault-schema';
import { headerChanges } from './header-schema';
import { laneDimension, lanesSchema } from './lanes/lane-schema';
import {
  MAX_ATTEMPTS,
  MAX_FAULTS,
  MAX_LISTS,
  MAX_REGEX_CHARACTERS,
  MAX_ROUTES,
  MAX_SPLIT_ENTRIES,
  MAX_VERSION_RANGE_CHARACTERS,
  MAX_ZONES,
} from './limits';
import { mirrorSchema } from './mirror-schema';
import { closed, count, listOf, type Schema, setOf, shortName } from './schema-parts';
import { LIST_NAME } from './value-list';

const positive: Schema = { type: 'number', exclusiveMinimum: 0, maximum: 2_147_483_647 };
const notNegative: Schema = { type: 'number', minimum: 0, maximum: 2_147_483_647 };
const percentage = (minimum: number): Schema => ({ type: 'number', minimum, maximum: 100 });
const text: Schema = { type: 'string' };
const nonEmptyText: Schema = { type: 'string', minLength: 1 };
const ref = (name: string): Schema => ({ $ref: `#/definitions/${name}` });

const datacenter: Schema = {
  type: 'string',
  title: 'the name of a datacenter: letters, digits, _ and -',
  pattern: DATACENTER_NAME.source,
};

const peer: Schema = {
  type: 'string',
  title: 'the name of a cluster peer: letters, digits and -',
  pattern: PEER_NAME.source,
};

const serviceName: Schema = {
  type: 'string',
  title: 'a service name of letters, digits, -, _ and .',
  pattern: SERVICE_NAME.source,
};

/** A text is a subset of the policy. */
const destination: Schema = {
  title: 'the name of a subset, or an object with service, subset, datacenter or peer',
  type: ['string', 'object'],
  minProperties: 1,
  additionalProperties: false,
  properties: {
    service: { ...serviceName, description: 'another Consul service; its policy says what its subsets are' },
    subset: { ...nonEmptyText, description: 'of this policy, or of that service; default: its default' },
    fallback: { ...nonEmptyText, description: 'of another service: the own subset that serves when it cannot' },
    datacenter: { ...datacenter, description: 'calls go there alone, and where the failover of the route leads' },
    peer: { ...peer, description: 'a cluster peer in place of a datacenter' },
  },
};

/** One step of a failover: a text is a datacenter. */
const place: Schema = {
  title: 'the name of a datacenter, or { peer: NAME }',
  type: ['string', 'object'],
  pattern: DATACENTER_NAME.source,
  additionalProperties: false,
  required: ['peer'],
  properties: { peer },
};

const method: Schema = {
  type: 'string',
  title: '/package.Service/Method, or a prefix that ends in /',
  pattern: '^/([^/\\s]+/[^/\\s]*)?$',
};

const labels: Schema = { type: 'object', minProperties: 1, additionalProperties: ref('matcher') };

const matcher: Schema = {
  title: 'a text that must be equal, or conditions that must all hold',
  type: ['string', 'object'],
  additionalProperties: false,
  properties: {
    exact: text,
    prefix: text,
    suffix: text,
    contains: text,
    in: listOf(text, { minItems: 1 }),
    notIn: listOf(text, { minItems: 1 }),
    list: {
      title: 'the name of a list, or several: letters, digits, _, . and -',
      description: 'lists of values in Consul KV, at graylane/lists/NAME',
      type: ['string', 'array'],
      pattern: LIST_NAME.source,
      items: { type: 'string', pattern: LIST_NAME.source, title: 'the name of a list: letters, digits, _, . and -' },
      minItems: 1,
      maxItems: MAX_LISTS,
    },
    regex: { type: 'string', maxLength: MAX_REGEX_CHARACTERS, description: 'RE2 syntax; matches the whole value' },
    range: listOf({ type: 'integer' }, { minItems: 2, maxItems: 2, description: 'half-open: [from, to)' }),
    version: {
      ...nonEmptyText,
      maxLength: MAX_VERSION_RANGE_CHARACTERS,
      description: 'a range of versions, such as >=16.2 <18',
    },
    cidr: { type: ['string', 'array'], items: text, minItems: 1 },
    present: { type: 'boolean' },
    not: ref('matcher'),
    ignoreCase: { type: 'boolean' },
  },
};

/** Stands in rollouts, too. */
export const matchSchema: Schema = closed({
  methods: listOf(method, { minItems: 1 }),
  labels: ref('labels'),
  any: listOf(closed({ labels: ref('labels') }, { required: ['labels'] }), { minItems: 1 }),
  sample: closed(
    { by: nonEmptyText, percent: { ...percentage(0), description: 'in steps of 0.01' } },
    { required: ['by', 'percent'] },
  ),
  from: setOf(serviceName, { minItems: 1, description: 'names that callers state of themselves (serviceName)' }),
});

const attemptTimeout: Schema = {
  title: 'auto or milliseconds',
  type: ['string', 'number'],
  if: { type: 'string' },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: { const: 'auto' },
  else: positive,
};

const statusName: Schema = { enum: STATUS_NAMES };

const retry: Schema = closed({
  maxAttempts: { ...count(2, MAX_ATTEMPTS), description: 'counts the first try' },
  retryableStatusCodes: setOf(ref('statusName'), { minItems: 1 }),
  initialBackoffMs: positive,
  maxBackoffMs: positive,
  backoffMultiplier: { type: 'number', minimum: 1, maximum: 100 },
});

const retryOrOff: Schema = {
  title: 'off or an object',
  type: ['string', 'object'],
  if: { type: 'string' },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: { const: 'off' },
  else: ref('retry'),
};

const subsetBreakerKeys: Schema = {
  enabled: { type: 'boolean' },
  errorThresholdPercentage: percentage(1),
  volumeThreshold: count(1),
  resetTimeoutMs: positive,
  maxResetTimeoutMs: positive,
  rollingCountTimeoutMs: { type: 'number', minimum: 100, maximum: 3_600_000 },
};

const breaker: Schema = closed({
  ...subsetBreakerKeys,
  consecutiveFailures: count(0),
  silentFailures: count(0),
  slowCallMs: positive,
  maxEjectionPercentage: percentage(0),
  failureStatusCodes: setOf(ref('statusName'), { minItems: 1 }),
});

const guard: Schema = closed({
  against: { ...text, description: 'the subset that it is compared with; default: the fallback' },
  minimumCalls: count(1),
  maxExcessFailurePercentage: {
    ...percentage(0),
    description: 'percentage points that more of its attempts may fail than of the other subset',
  },
  maxLatencyFactor: { type: 'number', exclusiveMinimum: 1, maximum: 1_000 },
  windowMs: { type: 'number', minimum: 1_000, maximum: 3_600_000 },
  holdMs: { type: 'number', minimum: 1_000, maximum: 86_400_000 },
  maxHoldMs: { type: 'number', minimum: 1_000, maximum: 86_400_000 },
  dryRun: { type: 'boolean' },
});

const algorithm: Schema = { enum: ['peak_ewma', 'least_request', 'round_robin', 'random', 'ring_hash'] };

const subset: Schema = closed({
  tags: listOf(nonEmptyText, { description: 'an instance must have all of them' }),
  notTags: listOf(nonEmptyText, { minItems: 1, description: 'an instance must have none of them' }),
  meta: { type: 'object', additionalProperties: text },
  filter: { ...nonEmptyText, description: 'a Consul filter expression' },
  port: {
    type: 'string',
    title: 'the name of a port: letters, digits, _, . and -',
    pattern: PORT_NAME.source,
  },
  fallback: ref('destination'),
  fallbackMaxPercentage: {
    ...percentage(1),
    description: 'share of the calls of this subset that the fallback may get',
  },
  breaker: ref('breaker'),
  subsetBreaker: ref('subsetBreaker'),
  guard: ref('guard'),
  limits: closed(
    {
      maxInFlight: { ...count(1), description: 'attempts in flight of each client; streams while they are open' },
      maxPending: { ...count(0), description: 'calls of each client that wait while the subset is full; default 0' },
    },
    { required: ['maxInFlight'] },
  ),
  lanes: { enum: ['include', 'exclude'], description: 'whether instances in a lane belong to it too' },
  balancing: closed(
    { algorithm, hashBy: nonEmptyText },
    { required: ['algorithm'], description: 'in place of what balancing of the policy says of both' },
  ),
});

const route: Schema = closed(
  {
    name: { type: 'string', minLength: 1, maxLength: 128 },
    match: ref('match'),
    to: ref('destination'),
    split: listOf(
      closed({ to: ref('destination'), weight: { type: 'number', minimum: 0 } }, { required: ['to', 'weight'] }),
      { minItems: 1, maxItems: MAX_SPLIT_ENTRIES },
    ),
    failover: listOf(ref('place'), { description: 'in place of locality.failover; none given twice' }),
    stickBy: nonEmptyText,
    stickySalt: nonEmptyText,
    strict: { type: 'boolean' },
    timeoutMs: positive,
    attemptTimeoutMs: ref('attemptTimeout'),
    retry: ref('retryOrOff'),
    hedging: closed(
      {
        maxAttempts: { ...count(2, MAX_ATTEMPTS), description: 'counts the first try' },
        delayMs: notNegative,
        nonFatalStatusCodes: setOf(ref('statusName')),
      },
      { required: ['delayMs'] },
    ),
    requestHeaders: { ...ref('headerChanges'), description: 'in the metadata that each attempt sends' },
    responseHeaders: { ...ref('headerChanges'), description: 'in the metadata that the caller receives' },
    fault: ref('routeFault'),
    mirror: mirrorSchema(ref('destination')),
  },
  { required: ['name'], oneOf: [{ required: ['to'] }, { required: ['split'] }] },
);

/** What {@link matchSchema} refers to. */
export const matchDefinitions: Schema = { labels, matcher };

/**
 * The published JSON Schema of a policy document, and what its structure is checked against: the one place that says
 * which keys there are. What a schema cannot say (names that must exist, cycles) is checked in `validation/`. `title`
 * says in a few words what a text must look like; refusals quote it. The build writes it to `policy.schema.json`.
 */
export const policySchema: Schema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  $id: 'urn:graylane:schema:policy:1',
  title: 'Graylane policy',
  ...closed(
    {
      $schema: { type: 'string', description: 'for editors; not read' },
      schema: { const: 1 },
      service: serviceName,
      minSdk: { type: 'string', title: 'a version as major.minor.patch', pattern: '^\\d{1,9}\\.\\d{1,9}\\.\\d{1,9}$' },
      tombstone: { const: true },
      subsets: { type: 'object', propertyNames: shortName, additionalProperties: ref('subset') },
      default: text,
      routes: listOf(ref('route'), { maxItems: MAX_ROUTES }),
      lanes: { ...lanesSchema, description: 'before the routes: calls whose label names a lane go to its instances' },
      retry: ref('retryOrOff'),
      idempotent: setOf(method, { minItems: 1, description: 'methods that may run again' }),
      timeoutMs: positive,
      attemptTimeoutMs: ref('attemptTimeout'),
      retryBudget: closed({ percent: percentage(0), minPerSecond: notNegative }),
      balancing: closed({
        algorithm,
        slowStartMs: notNegative,
        hashBy: nonEmptyText,
        subsetSize: count(1),
        drainMs: notNegative,
        connectionsPerEndpoint: count(1, 16),
      }),
      locality: closed({
        failover: listOf(ref('place'), { description: 'none given twice' }),
        prefer: { enum: ['subset', 'datacenter'] },
        zones: { enum: ['prefer', 'off'] },
        zoneClients: {
          type: 'object',
          minProperties: 1,
          maxProperties: MAX_ZONES,
          additionalProperties: { type: 'number', minimum: 0, maximum: 1_000_000_000 },
          description: 'how many clients each zone has; default: equally many in each',
        },
      }),
      breaker: ref('breaker'),
      subsetBreaker: ref('subsetBreaker'),
      override: closed(
        { to: ref('destination'), datacenter, until: nonEmptyText, by: text, reason: text },
        { required: ['until'], anyOf: [{ required: ['to'] }, { required: ['datacenter'] }] },
      ),
      faults: listOf(ref('namedFault'), {
        maxItems: MAX_FAULTS,
        description: 'attempts that fail, or begin late, on purpose; written by graylane drill',
      }),
      signature: closed(
        {
          key: { type: 'string', title: '16 hexadecimal digits', pattern: '^[0-9a-f]{16}$' },
          at: nonEmptyText,
          value: { type: 'string', title: '64 bytes in base64', pattern: '^[A-Za-z0-9+/]{86}==$' },
        },
        { required: ['key', 'at', 'value'], description: 'made by graylane policy apply --key' },
      ),
    },
    { required: ['schema', 'service'] },
  ),
  definitions: {
    ...matchDefinitions,
    destination,
    place,
    match: matchSchema,
    statusName,
    attemptTimeout,
    retry,
    retryOrOff,
    breaker,
    subsetBreaker: closed(subsetBreakerKeys),
    guard,
    headerChanges,
    routeFault,
    namedFault,
    subset,
    route,
    laneDimension,
  },
};
