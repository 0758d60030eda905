/** Of what a registry says of an instance: the healthier, the lower. */
export const HEALTH_RANK = { passing: 0, warning: 1, critical: 2 } as const;
