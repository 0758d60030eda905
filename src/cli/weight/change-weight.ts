import { revisionOfText, type StoredPolicy } from '../../ops/store/history';
import { documentText, parseStored } from '../../ops/store/policy-text';
import type { DestinationDocument, PolicyDocument, SplitEntryDocument } from '../../policy/document';
import { describeDestination, plainName } from '../../policy/places/destination';
import { validatePolicy } from '../../policy/validate';
import { CommandError } from '../command';
import { nameOf } from '../consul/store-session';
import { didYouMean } from '../describe';
import type { CommandIo } from '../io';
import { type ApplyFlags, applyText, checkApplyFlags } from '../policy/apply-files';

interface WeightRequest {
  readonly service: string;
  readonly subset: string;
  /** 0 to 100. */
  readonly percent: number;
  readonly route: string | undefined;
}

/** `weight`: the policy in Consul with another split, written as `policy apply` writes it. */
export async function changeWeight(
  service: string,
  subset: string,
  percent: number,
  flags: ApplyFlags & { readonly route?: string },
  io: CommandIo,
): Promise<void> {
  checkApplyFlags(flags);
  const request = { service, subset, percent, route: flags.route };
  const text = (stored: StoredPolicy, all: readonly StoredPolicy[]): string => {
    // The first fault is reported, whichever datacenter has it.
    const texts = all.map((each) => changedText(each, request));
    if (new Set(all.map(({ policy }) => revisionOfText(policy?.text ?? ''))).size > 1) {
      const message = `${service}: the datacenters have different policies, and nothing was written`;
      throw new CommandError(1, message, `name one with --dc, or run graylane policy get ${service} --dc all`);
    }
    return texts[all.indexOf(stored)] ?? '';
  };
  const again = `run graylane policy get ${service}, then graylane weight ${service} ${subset} ${percent} again`;
  await applyText({ service, text, again }, flags, io);
}

function changedText({ policy, service, datacenter }: StoredPolicy, request: WeightRequest): string {
  if (policy === undefined) {
    throw new CommandError(1, `${service} has no policy in ${nameOf(datacenter)}`, `run graylane init ${service}`);
  }
  const { document, problems } = validatePolicy(parseStored(policy.text), { service });
  if (document === undefined) {
    const fault = problems[0]?.message ?? 'not a document';
    const message = `the policy of ${service} in ${nameOf(datacenter)} is not valid: ${fault}`;
    throw new CommandError(1, message, `run graylane policy edit ${service}`);
  }
  const { subset, route: name } = request;
  const named = (to: DestinationDocument): string => describeDestination(to, document);
  const routed = (document.routes ?? []).flatMap(({ split = [] }) => split.map(({ to }) => named(to)));
  const known = [...new Set([...Object.keys(document.subsets ?? {}), ...routed])];
  if (!known.includes(subset)) {
    const names = known.length === 0 ? 'the policy has no subsets' : known.join(', ');
    const message = `subset: ${subset} (expected: one of the policy's: ${names})`;
    throw new CommandError(2, message, didYouMean(subset, known, `run graylane policy get ${service}`));
  }
  const at = routeAt(document, request);
  const routes = document.routes ?? [];
  const route = routes[at];
  if (route?.split === undefined || !route.split.some(({ to }) => named(to) === subset)) {
    const splits = routes.filter(({ split }) => split?.some(({ to }) => named(to) === subset) === true);
    const names = splits.map((each) => each.name).join(', ');
    const what = name === undefined ? 'no route that matches every call splits' : `route ${name} does not split`;
    const next = names === '' ? `run graylane policy edit ${service}` : `name one that does with --route: ${names}`;
    throw new CommandError(1, `${service}: ${what} to ${subset}`, next);
  }
  const split = setShare(route.split, subset, request.percent, document.default, named);
  return documentText({ ...document, routes: routes.toSpliced(at, 1, { ...route, split }) });
}

/** -1: there is none. The first route that matches every call is the only one that does anything. */
function routeAt({ routes = [] }: PolicyDocument, { service, route: name }: WeightRequest): number {
  if (name === undefined) return routes.findIndex(({ match }) => match === undefined);
  const at = routes.findIndex((route) => route.name === name);
  if (at !== -1) return at;
  const names = routes.map((route) => route.name);
  const message = `--route: ${name} (expected: one of ${service}'s: ${names.join(', ') || 'it has none'})`;
  throw new CommandError(2, message, didYouMean(name, names, `run graylane policy get ${service}`));
}

/** Decimals of a percentage: a bucket of a split is 0.01 %. */
const UNIT = 100;

/**
 * Gives `subset` so many percent; the other entries share what is left in the proportion that they had. Where all of
 * them had 0, `base` gets it, else the first of them. The weights are percentages afterwards, and their sum is 100.
 * Pure.
 */
export function setShare(
  split: readonly SplitEntryDocument[],
  subset: string,
  percent: number,
  base: string | undefined,
  nameOf: (to: DestinationDocument) => string | undefined = plainName,
): readonly SplitEntryDocument[] {
  const others = split.filter(({ to }) => nameOf(to) !== subset);
  const left = Math.round((100 - percent) * UNIT);
  const sum = others.reduce((total, { weight }) => total + weight, 0);
  const heir = others.find(({ to }) => to === base) ?? others[0];
  const units = new Map<SplitEntryDocument, number>();
  for (const other of others) {
    const share = sum > 0 ? other.weight / sum : Number(other === heir);
    units.set(other, Math.round(share * left));
  }
  // What rounding has left over or lent goes to the largest, where it is felt least.
  const given = [...units.values()].reduce((total, unit) => total + unit, 0);
  const [largest] = [...units].sort(([, a], [, b]) => b - a);
  if (largest !== undefined) units.set(largest[0], largest[1] + left - given);
  return split.map((entry) => ({
    ...entry,
    weight: nameOf(entry.to) === subset ? percent : (units.get(entry) ?? 0) / UNIT,
  }));
}
