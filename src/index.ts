export { GraylaneError, type GraylaneErrorCode } from './errors';
export { consoleLogger, type LogFields, type Logger, silentLogger } from './internal/logger';
