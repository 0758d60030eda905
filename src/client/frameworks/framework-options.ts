import { GraylaneError } from '../../base/errors';
import { showValue } from '../../base/shorten';
import type { AdminHandler, AdminHandlerOptions } from '../admin/admin-handler';
import type { Graylane } from '../api';
import type { GraylaneOptions } from '../options';
import type { AcceptOptions } from '../propagation/accept';

/** What the plugins of Express and Fastify share. */
export interface FrameworkOptions {
  /** Labels that requests may bring, as in `httpMiddleware()`. Default: none. */
  readonly accept?: AcceptOptions['accept'];
  /**
   * Where `adminHandler()` is served, such as `/graylane`. Whoever reaches the application reaches it: put it on a port
   * of operators, or behind what asks who somebody is. Default: nowhere.
   */
  readonly adminPath?: string;
  /** Names under which browsers reach it, as `hosts` of `adminHandler()`. Default: as there. */
  readonly adminHosts?: AdminHandlerOptions['hosts'];
}

/** Throws INVALID_OPTION for hosts that are none. */
export function adminHandlerOf(graylane: Graylane, { adminHosts: hosts }: FrameworkOptions): AdminHandler {
  return graylane.adminHandler(hosts === undefined ? {} : { hosts });
}

export function parseAdminPath({ adminPath }: FrameworkOptions, place: string): string | undefined {
  if (adminPath === undefined || (typeof adminPath === 'string' && /^(\/[\w.~-]+)+$/.test(adminPath))) return adminPath;
  const found = showValue(adminPath);
  throw new GraylaneError('INVALID_OPTION', `${place}.adminPath: ${found} (expected: a path such as /graylane)`);
}

export function isClient(given: GraylaneOptions | Graylane): given is Graylane {
  return 'target' in given && typeof given.target === 'function';
}
