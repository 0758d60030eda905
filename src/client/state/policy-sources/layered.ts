import type { PolicyReading } from '../../../policy/policy-reading';
import type { PolicySource, PolicyWatch } from './source';

/**
 * Policies given in code over those that come from elsewhere: while `inline` has a document for a service, that one is in
 * force; otherwise what `below` reads. Each reading bears the origin that it really has.
 */
export function createLayeredPolicySource(inline: PolicySource, below: PolicySource): PolicySource {
  return {
    origin: below.origin,
    watch(service, listener): PolicyWatch {
      let inlineReading: PolicyReading | undefined;
      let belowReading: PolicyReading | undefined;
      const tell = (): void => {
        if (inlineReading?.kind === 'present') listener({ ...inlineReading, origin: inline.origin });
        else if (inlineReading !== undefined && belowReading !== undefined) listener(belowReading);
      };
      const watches = [
        inline.watch(service, (reading) => {
          inlineReading = reading;
          tell();
        }),
        below.watch(service, (reading) => {
          belowReading = reading;
          if (inlineReading?.kind !== 'present') tell();
        }),
      ];
      return {
        close: () => {
          for (const watch of watches) watch.close();
        },
      };
    },
  };
}
