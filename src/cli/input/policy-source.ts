import { Option } from 'commander';

/** Where a policy is taken from in Consul. `auto` as clients do it: the document, else the chain unless it is the default one. */
export type PolicySourceName = 'auto' | 'kv' | 'chain';

const NAMES: readonly PolicySourceName[] = ['auto', 'kv', 'chain'];

/** `--policy auto|kv|chain`. */
export function policySourceOption(): Option {
  const what =
    "the policy: the document in KV, the chain of Consul's config entries, or what clients take; default: auto";
  return new Option('--policy <source>', what).choices(NAMES);
}

/** Undefined for the name of a file. */
export function policySourceOf(text: string | undefined): PolicySourceName | undefined {
  return NAMES.find((name) => name === text);
}
