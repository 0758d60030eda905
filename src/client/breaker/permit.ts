/**
 * What an attempt carries from its start to its end, so that its outcome is believed only where it still means something.
 * Even: begun while the breaker was closed, in which of its closed periods. Odd: a probe, which one. A number, so that
 * carrying it allocates nothing.
 */
export type Permit = number;

/** For attempts begun before their endpoint had a breaker: the first closed period. */
export const NO_PERMIT: Permit = 0;

/** Begun while calls were not admitted (forced by the caller, or in panic): its outcome moves nothing. */
export const BYPASS: Permit = -2;

export function closedPermit(period: number): Permit {
  return period * 2;
}

export function probePermit(ticket: number): Permit {
  return ticket * 2 + 1;
}

export function isProbePermit(permit: Permit): boolean {
  return (permit & 1) === 1;
}

export function ticketOf(permit: Permit): number {
  return (permit - 1) / 2;
}
