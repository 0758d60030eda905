/** `graylane/fastify`: a plugin for Fastify 4 and 5. */

export { type FastifyApplication, type GraylaneFastifyOptions, graylaneFastify } from './client/frameworks/fastify';
