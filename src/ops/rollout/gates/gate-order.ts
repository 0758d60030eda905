import type { RolloutDocument } from '../document';

/** Names of the gates that are told of a rollback. */
export function rollbackGates({ gates = [] }: RolloutDocument): readonly string[] {
  return gates.flatMap(({ gate, when }) => (when === 'at-rollback' ? [gate] : []));
}

/** Names of the gates that have to open before this step, or before the end. */
export function gatesBefore({ gates = [], steps }: RolloutDocument, step: number): readonly string[] {
  const at = steps[step];
  return gates.flatMap(({ gate, when, steps: numbers }) => {
    if (at === undefined) return when === 'before-promotion' ? [gate] : [];
    if (when !== 'before-step') return [];
    return (numbers === undefined ? 'setWeight' in at : numbers.includes(step + 1)) ? [gate] : [];
  });
}
