import type { ServedCall } from './served-call';

/** Runs a function in what was prepared, as often as the call has something to run. */
export type Runner = <T>(fn: () => T) => T;

/** What a Graylane client hands to its interceptors and middleware. */
export interface Ambient {
  /** Labels also travel as W3C baggage. */
  readonly usesBaggage: boolean;
  /**
   * Prepares the async context of one incoming call: these labels and nothing that stood around the server. Called in
   * the context in which the call arrived. `served` is what the calls made in it are held to; undefined for HTTP.
   */
  prepare(labels: Readonly<Record<string, string>>, served: ServedCall | undefined): Runner;
}
