/** `graylane/express`: a middleware for Express 4 and 5. */

export { type ExpressMiddleware, type GraylaneExpressOptions, graylaneExpress } from './client/frameworks/express';
