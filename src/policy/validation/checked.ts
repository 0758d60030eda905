import type { PolicyDocument } from '../document';

/**
 * A document whose structure has been checked, whatever came of it: values of a wrong type are gone from it, and
 * nothing that must be there need be.
 */
export type Checked<T> = T extends readonly (infer Item)[]
  ? readonly (Checked<Item> | undefined)[]
  : T extends object
    ? { readonly [Key in keyof T]?: Checked<T[Key]> | undefined }
    : T;

export type CheckedPolicy = Checked<PolicyDocument>;
