import { writeFile } from 'node:fs/promises';
import { apportion } from '../../base/apportion';
import type { Instance } from '../../base/instances';
import { readYaml, writeYaml } from '../../base/yaml';
import type { PolicyDocument, RouteDocument } from '../../policy/document';
import { instancesOf } from '../../policy/membership/snapshot';
import { CommandError, codeOf } from '../command';
import { type ConsulConnection, type ConsulFlags, withConsul } from '../consul/consul-connection';
import { readInstancesNow, readServiceNames } from '../consul/instances-now';
import { counted, didYouMean, sumOf } from '../describe';
import type { CommandIo } from '../io';
import { findPartition, type Partition } from './partition';

interface Labels {
  /** By which testers choose a subset. */
  readonly label: string;
  /** That keeps a caller at its subset. */
  readonly stickBy: string;
}

const USUAL: Labels = { label: 'x-gray', stickBy: 'x-user-id' };

/** A first policy as YAML with comments. Throws a CommandError when Consul lists no instance of the service. */
export async function firstPolicyOf(
  service: string,
  connection: ConsulConnection,
  datacenters: readonly (string | undefined)[],
  labels: Labels = USUAL,
): Promise<string> {
  const found = await readInstancesNow(connection.client, service, datacenters, []);
  const instances = instancesOf(found);
  if (instances.length === 0) throw await unknownService(service, connection);
  return policyText(service, instances, labels);
}

/** Pure. */
export function policyText(service: string, instances: readonly Instance[], labels: Labels = USUAL): string {
  const partition = findPartition(instances);
  const text = writeYaml(documentOf(service, partition, labels));
  const remarks = remarksOf(service, instances, partition, labels).map((line) => `# ${line}\n`);
  return `${remarks.join('')}${text}`;
}

function documentOf(service: string, partition: Partition | undefined, { label, stickBy }: Labels): PolicyDocument {
  if (partition === undefined) return { schema: 1, service };
  const { parts, base } = partition;
  const subsets = Object.fromEntries(
    parts.map(({ name, selector }) => [name, { ...selector, ...(name === base ? {} : { fallback: base }) }]),
  );
  const testers = parts
    .filter(({ name }) => name !== base)
    .map(({ name }): RouteDocument => ({ name: `${name}-by-label`, match: { labels: { [label]: name } }, to: name }));
  const weights = sharesOf(partition);
  const split = parts.map(({ name }, at) => ({ to: name, weight: weights[at] ?? 0 }));
  const routes = [...testers, { name: 'everyone', split, stickBy }];
  return { schema: 1, service, subsets, default: base, routes };
}

/** The share of calls that each part gets without a policy, in whole percent, so that the new policy moves no load. */
function sharesOf({ parts, base }: Partition): readonly number[] {
  const weights = parts.map(({ instances }) =>
    sumOf(instances.map(({ status, weight }) => (status === 'critical' ? 0 : weight))),
  );
  if (weights.every((weight) => weight === 0)) return parts.map(({ name }) => (name === base ? 100 : 0));
  return apportion(weights, 100);
}

function remarksOf(
  service: string,
  instances: readonly Instance[],
  partition: Partition | undefined,
  { label, stickBy }: Labels,
): readonly string[] {
  if (partition === undefined) {
    return [
      `Nothing parts the ${counted(instances.length, 'instance')} of ${service}: no tag or meta tells a canary from the others.`,
      'Give the instances of a canary a tag, such as canary, and run graylane init again.',
      'Until then this policy changes nothing: all instances get calls.',
    ];
  }
  const { by, parts, base, left } = partition;
  const what = parts.map(({ name, instances: of }) => `${name} has ${counted(of.length, 'instance')}`).join(', ');
  return [
    `Parted by ${by}: ${what}.`,
    ...(left.length === 0 ? [] : [`In no subset, and without calls: ${left.map(({ id }) => id).join(', ')}.`]),
    ...(partition.isByVersion
      ? ['A version is another one after the next release: a tag or meta that tells the role, such as canary, lasts.']
      : []),
    `Calls with the label ${label} get the subset that it names.`,
    `All others go by weight, the same caller (${stickBy}) always to the same subset.`,
    `The weights are what the instances get without a policy. Next: graylane weight ${service} ${
      parts.find(({ name }) => name !== base)?.name ?? base
    } 5 -m 'begin'`,
  ];
}

async function unknownService(service: string, { client }: ConsulConnection): Promise<CommandError> {
  const message = `Consul lists no instance of ${service} (expected: at least one, in a datacenter asked)`;
  const names = (await readServiceNames(client)) ?? [];
  return new CommandError(1, message, didYouMean(service, names, 'check the name and --dc'));
}

interface InitFlags extends ConsulFlags, Labels {
  readonly output?: string;
}

/** `init`. */
export async function initPolicy(service: string, flags: InitFlags, io: CommandIo): Promise<void> {
  await withConsul(flags, io, async (connection) => {
    const text = await firstPolicyOf(service, connection, await connection.datacenters(), flags);
    io.json(readYaml(text).value);
    if (flags.output === undefined) io.write(text);
    else await writeNew(flags.output, text);
    const file = flags.output ?? 'FILE';
    io.note(`next: graylane policy diff ${file}, then graylane policy apply ${file} -m 'first policy'`);
  });
}

/** Never overwrites a file. */
async function writeNew(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text, { flag: 'wx' });
  } catch (error) {
    throw new CommandError(2, `--output: ${file}: ${codeOf(error)} (expected: a new file in a folder that is there)`);
  }
}
