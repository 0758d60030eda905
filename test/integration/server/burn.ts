import { rawMethod } from '../../support/raw-method';

/** One unary method. */
export const BURN = { burn: rawMethod('/overload.Work/Burn') };
