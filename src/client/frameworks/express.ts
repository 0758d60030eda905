import type { AdminHandler } from '../admin/admin-handler';
import type { Graylane } from '../api';
import { adminHandlerOf, type FrameworkOptions, parseAdminPath } from './framework-options';

/** What {@link graylaneExpress} takes. */
export interface GraylaneExpressOptions extends FrameworkOptions {
  /** The client. Whoever made it closes it. */
  readonly graylane: Graylane;
}

/** `(req, res, next)`, for `app.use()`. */
export type ExpressMiddleware = (
  request: Parameters<AdminHandler>[0] & Parameters<ReturnType<Graylane['httpMiddleware']>>[0],
  response: Parameters<AdminHandler>[1],
  next: () => void,
) => void;

/**
 * One middleware for Express 4 and 5: labels of requests, and the admin pages. Throws INVALID_OPTION.
 *
 * @example
 * ```ts
 * import express from 'express';
 * import { createGraylane } from 'graylane';
 * import { graylaneExpress } from 'graylane/express';
 *
 * const graylane = createGraylane();
 * const app = express();
 * app.use(graylaneExpress({ graylane, accept: ['x-gray', 'x-user-id'], adminPath: '/graylane' }));
 * ```
 */
export function graylaneExpress(options: GraylaneExpressOptions): ExpressMiddleware {
  const { graylane, accept } = options;
  const adminPath = parseAdminPath(options, 'graylaneExpress');
  const readLabels = accept === undefined ? undefined : graylane.httpMiddleware({ accept });
  const answer = adminHandlerOf(graylane, options);
  return (request, response, next) => {
    const [path = ''] = (request.url ?? '').split('?', 1);
    if (adminPath !== undefined && (path === adminPath || path.startsWith(`${adminPath}/`))) answer(request, response);
    else if (readLabels === undefined) next();
    else readLabels(request, response, next);
  };
}
