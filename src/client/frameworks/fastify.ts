import type { AdminHandler } from '../admin/admin-handler';
import type { Graylane } from '../api';
import { createGraylane } from '../graylane';
import type { GraylaneOptions } from '../options';
import type { AcceptOptions } from '../propagation/accept';
import { adminHandlerOf, type FrameworkOptions, isClient, parseAdminPath } from './framework-options';

/** What {@link graylaneFastify} takes. */
export interface GraylaneFastifyOptions extends FrameworkOptions {
  /**
   * What `createGraylane()` takes: the client is closed with the application. Or a Graylane client that somebody else
   * closes. Default: what the environment says.
   */
  readonly client?: GraylaneOptions | Graylane;
}

/** The part of a Fastify application that is used; this package does not bring Fastify, whose types these are. */
export interface FastifyApplication {
  /** For `onRequest` and `onClose`. */
  addHook(name: FastifyValue, hook: FastifyValue): unknown;
  /** For `app.graylane`. */
  decorate(name: FastifyValue, value: FastifyValue): unknown;
  /** For the admin handler. */
  get(path: FastifyValue, handler: FastifyValue): unknown;
}

/** Hooks, handlers and values are typed by Fastify, each in its own way. */
// biome-ignore lint/suspicious/noExplicitAny: as the line above says.
type FastifyValue = any;

interface FastifyRequest {
  readonly raw: Parameters<AdminHandler>[0];
}

interface FastifyReply {
  readonly raw: Parameters<AdminHandler>[1];
  hijack(): unknown;
}

/**
 * A plugin for Fastify 4 and 5, for the whole application: the client as `app.graylane`, labels of requests, the admin
 * pages, and the end of the client with that of the application. Throws INVALID_OPTION.
 *
 * @example
 * ```ts
 * import fastify from 'fastify';
 * import { graylaneFastify } from 'graylane/fastify';
 *
 * const app = fastify();
 * app.register(graylaneFastify, { accept: ['x-gray', 'x-user-id'] });
 * ```
 */
export async function graylaneFastify(app: FastifyApplication, options: GraylaneFastifyOptions = {}): Promise<void> {
  const { client } = options;
  const adminPath = parseAdminPath(options, 'graylaneFastify');
  const graylane = client !== undefined && isClient(client) ? client : createGraylane(client);
  app.decorate('graylane', graylane);
  if (graylane !== client) app.addHook('onClose', () => graylane.close());
  const { accept } = options;
  if (accept !== undefined) app.addHook('onRequest', graylane.httpMiddleware({ accept } satisfies AcceptOptions));
  if (adminPath === undefined) return;
  const answer = adminHandlerOf(graylane, options);
  const handler = (request: FastifyRequest, reply: FastifyReply): void => {
    reply.hijack();
    answer(request.raw, reply.raw);
  };
  for (const path of [adminPath, `${adminPath}/*`]) app.get(path, handler);
}

// What Fastify asks for of a plugin that is not only for the routes registered inside it.
Object.assign(graylaneFastify, {
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: 'graylane',
});
